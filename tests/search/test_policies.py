"""Policies by difficulty in a sweep: chosen where they gain, refused with the reason where they do not."""

import json
from pathlib import Path

import pytest
from sweeping import REWARD, files, sweep_of, swept

from ponder.orchestrator.data.sources import SimulatedData
from ponder.orchestrator.engines.simulated_world import World
from ponder.search.record import Record
from ponder.search.reports.findings import report
from ponder.search.searching import Progress
from ponder.search.sweep import Sweep

WORLD = {"easiest": 0.03, "hardest": 0.97, "spread": 0.5, "repair": 0.0}


def sweep_of_two_kinds(folder: Path, **changes: object) -> Sweep:
    """Queries that one draw answers and queries that take dozens, under a reward model that knows what is right."""
    rates = [(query, World(**WORLD).pass_at_1(query)) for query in SimulatedData(size=600).load()]
    with (path := folder / "two.jsonl").open("w") as file:
        for query in [
            *[q for q, rate in rates if rate > 0.9][:40],
            *[q for q, rate in rates if 0.04 < rate < 0.12][:40],
        ]:
            file.write(json.dumps({"prompt": query.messages[-1].content, "answer": query.reference}) + "\n")
    option = {
        "kind": "best_of_n",
        "max_tokens": 48,
        "verifier": REWARD,
        "n": {"kind": "choice", "values": [2, 8, 24]},
    }
    table = {
        "data": {"kind": "file", "path": str(path)},
        "engines": {
            "generator": {"kind": "simulated", "world": WORLD},
            "reward": {"kind": "simulated", "world": WORLD},
        },
        "space": {"options": [option]},
        "by": "calls",
        "levels": [20, 24],
        "budget": {"total_tokens": 1_500_000},
        "search": {"replicates": 2},
    }
    return sweep_of(**{**table, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policies")


@pytest.fixture(scope="module")
def record(folder: Path) -> Record:
    return swept(sweep_of_two_kinds(folder), folder / "whole.db")[0]


def test_a_policy_that_gains_is_measured_chosen_and_confirmed(record: Record) -> None:
    low, high = record.verdict.routings
    assert (low.is_chosen, high.is_chosen) == (True, False)
    policy = record.members[record.verdict.chosen[0].composition].strategy
    easy, hard = policy.routes
    assert easy.n < hard.n == 24
    assert (policy.verifier.kind, policy.probe.n, policy.probe.max_tokens) == ("process_reward", 4, 48)
    made = report(record)
    point = made.point(made.levels[0].chosen)
    assert (point.method, point.items) == ("route_by_difficulty", len(record.parts.development))
    assert easy.n + 4 < point.cost_in("calls") <= 20
    assert point.confirmed.items == len(record.parts.confirmation)
    contest = made.levels[0].contest
    assert contest.baseline == "best of 8, T 1" and contest.difference.low > 0
    former = next(each for each in made.points if each.name == contest.baseline)
    assert former.confirmed, "what it took the place of is confirmed beside it"
    [told] = [note for note in made.notes if "a policy by difficulty is chosen at 20 calls" in note]
    assert "on the queries searched on, routing by difficulty gains +" in told
    assert any("no policy by difficulty at 24 calls a query" in note for note in made.notes)


def test_stopped_while_its_policy_is_confirmed_a_sweep_ends_the_same(folder: Path, record: Record) -> None:
    def stop(progress: Progress) -> None:
        if progress.phase == "confirmation":
            raise OSError("stopped")

    sweep = sweep_of_two_kinds(folder)
    with pytest.raises(OSError, match="stopped"):
        swept(sweep, folder / "s.db", stop)
    resumed, _ = swept(sweep, folder / "s.db")
    assert files(resumed) == files(record)


def test_without_scores_that_are_held_there_is_no_policy_and_the_report_says_why(tmp_path: Path) -> None:
    votes = {"kind": "self_consistency", "max_tokens": 48, "n": {"kind": "choice", "values": [2, 4]}}
    record, _ = swept(sweep_of(space={"options": [votes]}, levels=[500]), tmp_path / "s.db")
    assert [(each.is_chosen, each.level) for each in record.verdict.routings] == [(False, 500)]
    assert (
        "no policy by difficulty at 500 tokens a query: on the queries searched on, no verifier's scores are held"
        in " ".join(report(record).notes)
    )
