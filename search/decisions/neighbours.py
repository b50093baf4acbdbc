"""Neighbours of the best so far, so that a sampled space is searched between its samples too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..problem import Problem
from ..spaces.space import Point, Space
from .evidence import Evidence


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Points that differ from an incumbent in one choice; all of them join the problem, whatever is measured of them.

    Args:
        space: where the points come from.
        point: the point of a composition's number.
        number: the number of a point, which the problem may grow by it; None where it is no part of the problem.
    """

    space: Space
    point: Callable[[int], Point]
    number: Callable[[Point], int | None]

    def propose(
        self, problem: Problem, evidence: Evidence, incumbents: Sequence[int], rng: np.random.Generator
    ) -> list[int]:
        """Those within the highest level that were not measured, in an order by chance."""
        beside = [self.number(near) for each in incumbents for near in self.space.neighbours(self.point(each))]
        new = sorted({each for each in beside if each is not None} - set(evidence.compositions))
        within = [each for each in new if problem.cost(each) <= problem.levels[-1]]
        return [within[place] for place in rng.permutation(len(within))]
