"""From the record of a sweep to its report."""

import asyncio
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from sweeping import REWARD, TABLE, files, sweep_of, swept

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated_world import simulated_dataset
from ponder.orchestrator.frontier import Frontier
from ponder.orchestrator.run import arun
from ponder.orchestrator.runtime import Done
from ponder.orchestrator.types import Candidate, Finish, Query, Result, Usage
from ponder.search.pools.arms import arm_of
from ponder.search.pools.judge import Judge
from ponder.search.record import Chosen, Record, Verdict
from ponder.search.reports.findings import report
from ponder.search.reports.measured import Measured
from ponder.search.reports.outputs import write_outputs
from ponder.search.reports.report import html, terminal
from ponder.search.reports.report_level import Contest
from ponder.strategies import BestOfN, Sample
from ponder.verifiers import ExactMatch, ProcessReward

QUICK = {"search": {"replicates": 1}}
LARGER = {"data": {"kind": "simulated", "size": 40}, **QUICK}


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> Record:
    return swept(sweep_of(**LARGER), tmp_path_factory.mktemp("findings") / "s.db")[0]


def test_what_is_chosen_is_confirmed_and_held_against_baselines_of_equal_cost(record) -> None:
    made = report(record)
    assert made.is_confirmed
    assert made.baselines
    assert (made.items, made.confirmation_items) == (24, 16)
    for level in made.levels:
        point = made.point(level.chosen)
        assert point.confirmed.items == 16
        if level.contest is not None:
            rival = made.point(level.contest.baseline)
            assert rival.confirmed.items == 16
            assert rival.cost_in("total_tokens") <= max(level.limit, point.cost_in("total_tokens"))
            gap = point.confirmed.accuracy - rival.confirmed.accuracy
            assert level.contest.difference.mean == pytest.approx(gap, abs=1e-9)


def test_a_choice_that_turned_out_dearer_meets_baselines_as_dear(record) -> None:
    measured = Measured.of(record)

    def contest(id: str, level: float) -> Contest | None:
        verdict = Verdict(chosen=(Chosen(level=level, composition=id, estimate=0.5),))
        return report(replace(record, verdict=verdict)).levels[0].contest

    found = []
    dearest = sorted(measured.confirmation, key=lambda n: -measured.cost(n, "total_tokens"))[:4]
    for number in dearest:
        id, cost = measured.ids[number], measured.cost(number, "total_tokens")
        found.append(contest(id, cost))
        assert contest(id, cost / 2) == found[-1]
    assert any(found)


def test_the_figures_of_a_point_are_the_means_of_what_was_measured(record) -> None:
    measured = Measured.of(record)
    for point in report(record).points:
        [number] = [
            i for i, m in enumerate(measured.members) if m.strategy.model_dump(mode="json") == point.composition
        ]
        seen = measured.development[number]
        assert point.accuracy == pytest.approx(sum(seen.by_query.values()) / len(seen.by_query))
        assert point.items == len(seen.by_query)
        assert sum(each.items for each in point.by_difficulty.values()) == point.items
        assert point.cost["calls"] <= point.n or point.method == "adaptive_consistency"


def test_curves_tell_every_way_at_doubling_draws(record) -> None:
    curves = report(record).curves
    assert 0 < len(curves) <= 6
    assert len({curve.pool for curve in curves}) == len(curves)
    for curve in curves:
        assert sorted({row.n for row in curve.rows}) in ([1, 2], [1, 2, 4])
        by_kind = {kind: [row.estimate.accuracy for row in curve.rows if row.kind == kind] for kind in curve.kinds}
        assert by_kind["best"] == sorted(by_kind["best"])
        assert by_kind["worst"] == sorted(by_kind["worst"], reverse=True)
        assert by_kind["best"][0] == by_kind["worst"][0] == by_kind["average"][0]
    assert any("best_by_score" in curve.kinds and "scored by process_reward" in curve.pool for curve in curves)


def test_the_outlook_tells_of_the_gap_between_the_leaders(record) -> None:
    assert any(line.startswith("The leaders are ") for line in report(record).outlook)
    assert record.verdict.outlook == report(record).outlook


def test_paid_and_fresh_add_up_by_phase(record) -> None:
    ledger = report(record).ledger
    for name, paid in ledger.spent.items():
        assert sum(phase.get(name, 0) for phase in ledger.phases.values()) == pytest.approx(paid)
    assert ledger.fresh["calls"] > ledger.spent["calls"]


def test_the_files_are_written_and_the_frontier_serves_what_was_chosen(record, tmp_path) -> None:
    out = write_outputs(record, tmp_path / "deep" / "s.db")
    html_text, csv_text, toml_text = files(record)
    assert [path.read_text() for path in (out.html, out.csv, out.toml)] == [html_text, csv_text, toml_text]
    served = Frontier.load(out.toml)
    assert len(served.points) == len(out.report.best)


def test_every_point_has_a_name_of_its_own(tmp_path) -> None:
    verifiers = [REWARD, {**REWARD, "aggregate": "min"}, {"kind": "exact_match"}]
    best = {"kind": "best_of_n", "n": 2, "max_tokens": 48, "verifier": {"kind": "choice", "values": verifiers}}
    stages = [{"kind": "sample", "n": {"kind": "choice", "values": [2, 3]}, "max_tokens": 48}, {"kind": "vote"}]
    space = {"options": [best, {"kind": "pipeline", "stages": stages}]}
    made = report(swept(sweep_of(space=space, **QUICK), tmp_path / "s.db")[0])
    names = [point.name for point in made.points]
    assert len(set(names)) == len(names) == 5
    assert "sample n=3 max_tokens=48 → vote" in names


def test_answers_read_in_two_ways_are_two_measurements_of_the_same_draws(tmp_path) -> None:
    answers = {"kind": "choice", "values": [{"kind": "number"}, {"kind": "text"}]}
    space = {"options": [{"kind": "self_consistency", "n": 4, "max_tokens": 48, "answer": answers}]}
    record, progress = swept(sweep_of(space=space, search={"replicates": 1}), tmp_path / "s.db")
    assert progress.paid.calls == 4 * 10
    assert len(report(record).points) == 2
    one, other = [pool for pool in record.pools.values() if pool.query_id == record.parts.development[0].id]
    assert [draw.generation for draw in one.draws] == [draw.generation for draw in other.draws]
    assert [draw.answer for draw in one.draws] != [draw.answer for draw in other.draws]


def test_the_budget_stands_in_the_report(record) -> None:
    limits = Budget(calls=900, cost_usd=0.5, seconds=60)
    made = report(replace(record, sweep=record.sweep.model_copy(update={"budget": limits})))
    assert made.budget == {"calls": 900, "cost_usd": 0.5}


def test_a_report_of_nothing_says_so(record) -> None:
    nothing = replace(record, pools={}, batches=[], members={}, verdict=None, facts=None, is_complete=False)
    made = report(nothing)
    assert (made.points, made.levels, made.curves, made.best) == ((), (), (), ())
    assert len(html(made)) > 1_000


@pytest.mark.parametrize("is_complete", [True, False])
def test_what_is_not_confirmed_says_why(record, is_complete) -> None:
    searched = [batch for batch in record.batches if batch.phase != "confirmation"]
    made = report(replace(record, batches=searched, is_complete=is_complete))
    why = "the budget ended before it could be" if is_complete else "the sweep has not come to it yet"
    assert {level.not_confirmed for level in made.levels} == {why}
    assert not any(level.contest for level in made.levels)


def test_what_was_confirmed_on_some_queries_only_is_not_confirmed(record) -> None:
    last = record.batches[-1]
    assert last.phase == "confirmation"
    wanted = {name for name in record.pools if f"/{record.parts.confirmation[0].id}/" in name}
    made = report(
        replace(record, batches=[*record.batches[:-1], last.model_copy(update={"missing": frozenset(wanted)})])
    )
    assert not any(point.confirmed for point in made.points)


def test_draws_that_failed_count_as_wrong_and_cost_what_was_charged(tmp_path) -> None:
    found = []
    for i, refused in enumerate((0.0, 0.3)):
        engines = {**TABLE["engines"], "generator": {"kind": "simulated", "faults": {"refused": refused}}}
        space = {"options": TABLE["space"]["options"][:2]}
        record, _ = swept(sweep_of(engines=engines, space=space, **QUICK), tmp_path / f"{i}.db")
        found.append({point.name: point for point in report(record).points})
        for pool in record.pools.values():
            for draw in pool.draws:
                assert not draw.is_lost or (draw.correct, draw.answer) == (0.0, None)
                assert not draw.is_lost or (draw.generation.calls, draw.generation.completion_tokens) == (1, 48)
                assert not draw.is_lost or draw.generation.verifier_calls == 0
    calm, faulty = found
    assert not any(point.failed for point in calm.values())
    assert any(point.failed for point in faulty.values())
    for name in calm.keys() & faulty.keys():
        assert faulty[name].cost["calls"] == calm[name].cost["calls"]


async def test_draws_that_the_checker_cannot_judge_are_marked() -> None:
    drawn = tuple(Candidate((), text, Finish.EOS, index=i) for i, text in enumerate(("3", "4")))
    done = Done("task", Result("q", drawn, Usage()), Usage())
    for reference, marks in (("3", [(1.0, False), (0.0, False)]), ("none", [(0.0, True), (0.0, True)])):
        query = Query.ask("?", reference=reference)
        pool = await Judge(ExactMatch()).pool(arm_of(Sample(n=2)), 2, query, done)
        assert [(draw.correct, draw.is_unjudged) for draw in pool.draws] == marks


async def test_draws_that_did_not_come_are_lost_and_share_what_was_charged() -> None:
    arm = arm_of(BestOfN(n=2, verifier=ProcessReward()))
    drawn = (Candidate((), "3", Finish.EOS, index=0, usage=Usage(10, 0, 5, 1)),)
    done = Done("task", Result("q", drawn, Usage(30, 0, 26, 3), failures=2), Usage())
    pool = await Judge(ExactMatch()).pool(arm, 3, Query.ask("?", reference="3"), done)
    assert [draw.is_lost for draw in pool.draws] == [False, True, True]
    assert [draw.generation for draw in pool.draws] == [Usage(10, 0, 5, 1), *[Usage(10, 0, 11, 1)] * 2]


def test_draws_that_the_verifier_cannot_score_are_named_where_it_chooses(tmp_path) -> None:
    draws = {"kind": "choice", "values": [1, 2, 4]}
    blind = {"kind": "best_of_n", "max_tokens": 48, "verifier": {"kind": "python_code"}, "n": draws}
    made = report(swept(sweep_of(space={"options": [blind]}, **QUICK), tmp_path / "s.db")[0])
    unscored = {point.n: point.unscored for point in made.points}
    assert unscored[1] == 0
    assert max(unscored.values()) == 4 * 6
    console = Console(record=True, width=200, file=StringIO())
    terminal(made, console, is_full=True)
    for shown in (html(made), console.export_text()):
        assert "24 draws could not be scored by the verifier" in shown


def test_the_frontier_answers(record, tmp_path) -> None:
    out = write_outputs(record, tmp_path / "s.db")
    pipeline = Frontier.load(out.toml).pipelines()[0]
    assert asyncio.run(arun(pipeline, record.parts.confirmation[0])).text


def test_queries_that_ask_alike_are_told_of(tmp_path) -> None:
    [first, second] = simulated_dataset(2)
    queries = [query.model_copy(update={"id": f"{query.id}-{i}"}) for i in range(3) for query in (first, second)]
    twice = sweep_of(data={"kind": "list", "queries": [query.model_dump(mode="json") for query in queries]})
    record, _ = swept(twice, tmp_path / "s.db")
    [told] = [note for note in report(record).notes if "ask what another asks" in note]
    assert told.startswith("4 queries ask")
