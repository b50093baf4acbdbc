"""What the outcomes say: accuracies with intervals, differences at equal cost, and the figures that were wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ponder.orchestrator.intervals import Interval, accuracy_interval, compare

from .outcomes import BASELINES, BINS, METHODS, Floats, Outcome, Study

MEASURES = ("completion_tokens", "flops")
COSTS = (*MEASURES, "calls", "verifier_calls")


@dataclass(frozen=True, slots=True)
class Point:
    """A strategy at one size in one bin of problems."""

    strategy: str
    size: float
    bin: str
    accuracy: Interval
    costs: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return rounded(asdict(self))


def points(study: Study) -> list[Point]:
    """Accuracy and mean cost of every strategy, size and bin."""
    return [
        Point(
            name,
            size,
            bin_name,
            accuracy_interval(outcome.correct[study.within(bin_name)]),
            {cost: float(outcome.costs[cost][study.within(bin_name)].mean()) for cost in COSTS},
        )
        for name, size, outcome in study.runs
        for bin_name in BINS
    ]


def at_cost(study: Study, method: str, measure: str, bin_name: str, cost: float) -> Floats:
    """The accuracy on each problem of a bin of a pool's method that spends `cost` there on average.

    Between the sizes of the grid it is interpolated, in the logarithm of the cost; a cost beyond the largest size gets
    the largest, and one below a single draw gets the single draw.
    """
    chosen = study.within(bin_name)
    grid = [study.pooled(method, n) for n in study.grid]
    costs = [float(each.costs[measure][chosen].mean()) for each in grid]
    place = float(np.interp(math.log(cost), np.log(costs), np.arange(len(costs))))
    low, share = int(place), place - int(place)
    high = min(low + 1, len(grid) - 1)
    mixed: Floats = (1 - share) * grid[low].correct[chosen] + share * grid[high].correct[chosen]
    return mixed


@dataclass(frozen=True, slots=True)
class Duel:
    """A strategy less a baseline of the same cost, averaged over the strategy's sizes, on the problems of a bin.

    Args:
        wins: sizes at which the strategy alone is surely better.
        losses: sizes at which it is surely worse.
    """

    strategy: str
    baseline: str
    bin: str
    measure: str
    difference: Interval
    verdict: str
    sizes: int
    wins: int
    losses: int

    def as_dict(self) -> dict[str, Any]:
        return rounded(asdict(self))


def duels(study: Study) -> list[Duel]:
    """Every strategy against every baseline, by bin and by what the cost is counted in."""
    runs: dict[str, list[Outcome]] = {}
    for name, _, outcome in study.runs:
        if name not in METHODS or not METHODS[name].is_oracle:
            runs.setdefault(name, []).append(outcome)
    return [
        _duel(study, name, runs[name], baseline, bin_name, measure)
        for name in runs
        for baseline in BASELINES
        if name != baseline
        for bin_name in BINS
        for measure in MEASURES
    ]


def _duel(study: Study, name: str, runs: Sequence[Outcome], baseline: str, bin_name: str, measure: str) -> Duel:
    chosen = study.within(bin_name)
    mine = np.array([run.correct[chosen] for run in runs])
    costs = [float(run.costs[measure][chosen].mean()) for run in runs]
    theirs = np.array([at_cost(study, baseline, measure, bin_name, cost) for cost in costs])
    single = [compare(a, b) for a, b in zip(mine, theirs, strict=True)]
    whole = compare(mine.mean(axis=0), theirs.mean(axis=0))
    gaps = [each.interval.mean for each in single if not each.is_tied]
    verdict = "ties" if whole.is_tied else "beats" if whole.interval.mean > 0 else "loses"
    wins, losses = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
    return Duel(name, baseline, bin_name, measure, whole.interval, verdict, len(runs), wins, losses)


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Plain data with five significant digits."""
    return {key: _rounded(value) for key, value in values.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return rounded(value)
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
