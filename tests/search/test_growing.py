"""Spaces too large to enumerate: what was sampled of them grows while it is searched."""

import asyncio
import signal
from pathlib import Path

import numpy as np
import pytest
from sweeping import REWARD, files, in_memory, searched, sweep_of
from test_kill_resume_sweep import in_child, kill_at

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.data.sources import SimulatedData
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.search.catalogue import SAMPLED, Catalogue, Planner
from ponder.search.decisions.evidence import Evidence
from ponder.search.decisions.neighbours import Neighbours
from ponder.search.live_problem import LiveProblem
from ponder.search.problem import Ask, Row
from ponder.search.record import Record
from ponder.search.reports.findings import report
from ponder.search.reports.measured import Measured
from ponder.search.spaces.domains import Choice, Floats, Integers
from ponder.search.spaces.space import Space
from ponder.search.sweep import Sweep

SMALL = Space(
    options=(
        {
            "kind": "self_consistency",
            "max_tokens": 10,
            "n": Integers(low=2, high=6),
            "temperature": Choice(values=(0.7, 1.0)),
        },
    )
)
DRAWN = {
    "kind": "self_consistency",
    "max_tokens": 48,
    "n": Integers(low=2, high=14),
    "temperature": Floats(low=0.1, high=1.0, grid=20),
    "top_p": Floats(low=0.5, high=1.0, grid=20),
}
LARGE = Space(options=(DRAWN, {**DRAWN, "kind": "best_of_n", "verifier": REWARD}))


async def problem_of(space: Space, known: int, limit: Budget = Budget()) -> LiveProblem:
    """The first points of a space as a problem that may grow."""
    planner = await Planner.of({"generator": SimulatedSpec().open()}, SimulatedData(size=5).load())
    found = Catalogue(planner, limit, is_sampled=True)
    for point in space.enumerate()[:known]:
        found.add(point)
    problem = LiveProblem(space, found, "calls", 5, Budget(calls=100))
    problem.levels = (5.0,)
    return problem


async def test_what_joins_a_problem_has_features_a_family_and_a_price() -> None:
    points = SMALL.enumerate()
    problem, whole = await problem_of(SMALL, 3), await problem_of(SMALL, len(points))
    assert problem.features.shape[0] == problem.size == 3
    for number, point in enumerate(points):
        assert problem.add(point) == problem.add(point) == number
        assert problem.cost(number) == whole.cost(number) == point.strategy.n
    assert np.array_equal(problem.features, whole.features)
    assert np.array_equal(problem.families, whole.families)
    assert problem.price([Ask(9, (0, 1))]) == 2 * 6 / 100


async def test_what_may_exceed_the_limit_of_a_query_does_not_join() -> None:
    problem = await problem_of(SMALL, 3, Budget(calls=4))
    assert [problem.add(point) for point in SMALL.enumerate()] == [0, 1, 2, 3, 4, 5, *[None] * 4]
    assert problem.size == 6


async def test_neighbours_of_the_best_are_proposed_unless_measured_or_too_dear() -> None:
    problem = await problem_of(SMALL, 6)
    proposer = Neighbours(SMALL, problem.points.__getitem__, problem.add)
    evidence = Evidence(5)
    evidence.add([Row(4, 0, np.arange(5), np.ones(5), np.ones(5))])
    by_choice = {(point.strategy.n, point.strategy.temperature): point for point in SMALL.enumerate()}
    best = problem.add(by_choice[4, 0.7])
    assert best == 4

    def proposed(seed: int, number: int) -> list[tuple[int, float]]:
        found = proposer.propose(problem, evidence, [number], np.random.default_rng(seed))
        strategies = [problem.points[each].strategy for each in found]
        return [(strategy.n, strategy.temperature) for strategy in strategies]

    assert sorted(proposed(0, best)) == [(3, 0.7), (4, 1.0), (5, 0.7)]
    assert proposed(1, best) == proposed(1, best)
    beside = problem.add(by_choice[5, 0.7])
    assert sorted(proposed(0, beside)) == [(5, 1.0)], "4 draws are measured, and 6 cost more than the highest level"


def sweep_on_large(proposer: str) -> Sweep:
    return sweep_of(
        space=LARGE.model_dump(mode="json"),
        data={"kind": "simulated", "size": 20},
        levels=[500, 1500],
        search={"pilot": 8, "replicates": 1},
        budget={"total_tokens": 150_000},
        proposer=proposer,
    )


@pytest.mark.parametrize("proposer", ["neighbours", "optuna"])
def test_what_is_proposed_joins_is_measured_and_stands_in_the_report(proposer: str) -> None:
    rows: list[int] = []
    sweep = sweep_on_large(proposer)
    with in_memory() as folder:
        searching, _ = asyncio.run(searched(sweep, folder / "s.db", lambda row, when: rows.append(row)))
        record = Record.read(folder / "s.db")
        if proposer == "optuna":
            check_resumed(sweep, folder / "killed.db", max(rows) * 2 // 3, files(record))
    problem, seen = searching._problem, searching._evidence
    assert record.facts.compositions == SAMPLED < problem.size == record.verdict.compositions
    joined = [number for number in seen.compositions if number >= SAMPLED]
    assert len(joined) > 2
    made, measured = report(record), Measured.of(record)
    shown = [point.composition for point in made.points]
    assert all(problem.points[number].strategy.model_dump(mode="json") in shown for number in joined)
    assert f"{problem.size - SAMPLED} more were proposed while it was searched" in " ".join(made.notes)
    for number in seen.compositions:
        other = measured.numbers[problem.points[number].id]
        assert np.array_equal(seen.replicated(number), measured.evidence.replicated(other), equal_nan=True)


def check_resumed(sweep: Sweep, journal: Path, row: int, expected: tuple[str, str, str]) -> None:
    """Kill a sweep while it searches, and go on."""
    assert in_child(sweep, journal, kill_at(row, "after")) == -signal.SIGKILL
    assert any(batch.phase == "search" for batch in Record.read(journal).batches)
    asyncio.run(searched(sweep, journal))
    assert files(Record.read(journal)) == expected
