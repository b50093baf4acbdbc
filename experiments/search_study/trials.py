"""One search in a world, and how good what it returned truly is."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ponder.orchestrator.intervals import accuracy_interval
from ponder.search.baselines.greedy import Greedy
from ponder.search.baselines.itas import Itas
from ponder.search.baselines.random_search import RandomSearch
from ponder.search.baselines.successive_halving import SuccessiveHalving
from ponder.search.baselines.tuned_bo import TunedBO
from ponder.search.decisions.racing_search import RacingSearch
from ponder.search.problem import Choice, Floats, Searcher
from ponder.search.worlds.archon_world import Run
from ponder.search.worlds.world_problem import WorldProblem, drive

from . import plan
from .plan import Plan, Trial
from .truths import truth, world

CONFIRMATION_ITEMS = 150
CONFIRMATION_RUN = 2**31  # numbers its draws apart from those of every search


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a trial.

    Args:
        regret: the best true accuracy at the level less that of the composition returned, in points.
        optimism: the search's own estimate less the truth, in points.
        error: accuracy on confirmation items less the truth, in points.
        covers: whether the interval of the accuracy on confirmation items holds the truth.
        calls: made in all.
        query_calls: of the composition returned, a query.
        tied_calls: of the cheapest it is said to be tied with, itself counted.
        composition: returned.
        reason: why it ended.
        seconds: it took, the world's work counted in.
    """

    regret: float
    optimism: float
    error: float
    covers: bool
    calls: int
    query_calls: int
    tied_calls: int
    composition: tuple[int, ...]
    reason: str
    seconds: float


def searcher(method: str, shrink: int) -> Searcher:
    """The search of a method, its evaluations divided."""
    evaluations = 500 // shrink
    itas = Itas(initial=230 // shrink, evaluations=evaluations)
    searchers: dict[str, Searcher] = {
        plan.OURS: RacingSearch(),
        plan.ITAS: itas,
        plan.ITAS_CACHED: itas,
        plan.TUNED_BO: TunedBO(initial=max(2, 30 // shrink), evaluations=230 // shrink),
        plan.RANDOM: RandomSearch(evaluations=evaluations),
        plan.RANDOM_CACHED: RandomSearch(evaluations=plan.UNLIMITED),
        plan.GREEDY: Greedy(evaluations=evaluations),
        plan.HALVING: SuccessiveHalving(compositions=256 // shrink),
    }
    return searchers[method]


def run(trial: Trial, study: Plan, folder: Path) -> dict[str, Any]:
    """Search, and compare what came with the truth."""
    cell, started = trial.cell, time.perf_counter()
    is_reusing = trial.method in (plan.OURS, plan.ITAS_CACHED, plan.RANDOM_CACHED)
    place = world(cell.kind, cell.world, study)
    problem = WorldProblem(place, (cell.level,), trial.allowed, items=cell.items, seed=trial.seed, reuse=is_reusing)
    decision = drive(searcher(trial.method, study.shrink), problem, trial.seed)
    seconds = time.perf_counter() - started
    accuracies = truth(cell.kind, cell.world, study, folder)[0][problem.numbers]
    confirming = place.run(problem.held_out[:CONFIRMATION_ITEMS], trial.seed, CONFIRMATION_RUN)
    found = _judged(problem, decision.choices[0], accuracies, confirming)
    return asdict(trial) | asdict(Found(**found, reason=decision.reason, seconds=round(seconds, 3)))


def _judged(problem: WorldProblem, choice: Choice, accuracies: Floats, confirming: Run) -> dict[str, Any]:
    point, true = problem.points[choice.composition], float(accuracies[choice.composition])
    interval = accuracy_interval(confirming.is_right(point, 0).astype(float))
    return {
        "regret": round(100 * float(accuracies.max() - true), 4),
        "optimism": round(100 * (choice.estimate - true), 4),
        "error": round(100 * (interval.mean - true), 4),
        "covers": bool(interval.low <= true <= interval.high),
        "calls": problem.calls,
        "query_calls": point.calls,
        "tied_calls": min(problem.points[each].calls for each in (choice.composition, *choice.tied)),
        "composition": tuple(point),
    }
