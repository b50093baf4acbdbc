"""The leaders: which composition looks best at each level while a search goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..orchestrator.intervals import wilson
from ..orchestrator.strategy import Strategy
from .decisions.evidence import Evidence
from .decisions.rungs import FEWEST_ITEMS
from .problem import Floats, Problem
from .reports.frontier import Estimate
from .reports.naming import name_of


@dataclass(frozen=True, slots=True)
class Leader:
    """The composition that looks best within one level so far.

    Args:
        level: what a query may cost.
        name: of the composition.
        cost: of a fresh query, in the dimension of the level.
        estimate: on the queries that it was chosen by, with an interval that is rather too wide than too narrow.
    """

    level: float
    name: str
    cost: float
    estimate: Estimate


def leaders(problem: Problem, evidence: Evidence, strategies: Sequence[Strategy]) -> tuple[Leader, ...]:
    """The composition with the highest mean within each level, of those seen on enough queries."""
    seen = ((number, evidence.values(number)) for number in evidence.compositions)
    fewest = min(FEWEST_ITEMS, evidence.items)
    known = {number: values[~np.isnan(values)] for number, values in seen if (~np.isnan(values)).sum() >= fewest}
    costs = {number: problem.cost(number) for number in known}
    mean = cache(lambda number: float(known[number].mean()))
    found = []
    for level in problem.levels:
        if within := [number for number in known if costs[number] <= level]:
            best = max(within, key=lambda number: (mean(number), -costs[number]))
            found.append(Leader(level, name_of(strategies[best]), costs[best], _estimate(known[best])))
    return tuple(found)


def _estimate(values: Floats) -> Estimate:
    interval = wilson(float(np.clip(values, 0.0, 1.0).sum()), len(values))
    return Estimate(items=len(values), accuracy=interval.mean, low=interval.low, high=interval.high)
