"""Which steps to take next: those expected to improve most on the best, for what they newly cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..problem import Ask, Floats, Problem
from .beliefs import Beliefs
from .evidence import Evidence
from .expected_improvement import expected_improvement
from .rungs import Rungs

SHORTLIST = 40
"""Steps whose price is asked for each pick."""
CHEAPEST_PRICE = 1e-9
"""What a step that is free counts as, so that it is taken first."""


@dataclass(slots=True)
class Batch:
    """A batch in the making; each step picked narrows the beliefs by which the next is picked.

    Every composition is a candidate, measured or not, with the one step that lies before it: a first look, more
    items, another replicate. Its value is the expected improvement on the best belief, divided by price^alpha, alpha
    falling from 1 to 0 as the budget goes (CArBO, Lee et al. 2020, arXiv 2003.10870). The price is what the step newly
    costs, so that steps whose calls are mostly paid already come first.

    Args:
        problem: what is searched.
        evidence: all that was measured.
        beliefs: what it lets believe.
        rungs: the steps of a composition.
        pool: the replicate in which new compositions start.
        alpha: how far prices count, 0 to 1.
    """

    problem: Problem
    evidence: Evidence
    beliefs: Beliefs
    rungs: Rungs
    pool: int
    alpha: float
    asks: list[Ask] = field(default_factory=list)
    _noise: Floats = field(init=False)
    _left: float = field(init=False)
    _prices: dict[int, tuple[Ask, float]] = field(default_factory=dict)
    _taken: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        beliefs = self.beliefs
        self._left = 1 - self.problem.spent
        self._noise = self.rungs.noise_of_next(beliefs.means, beliefs.items, beliefs.replicates, beliefs.posterior.mean)

    @property
    def incumbents(self) -> list[int]:
        """The compositions believed best, each once, in the order of the levels."""
        found = [self.beliefs.best(level, self.rungs.fewest) for level in self.problem.levels]
        return list(dict.fromkeys(each for each in found if each is not None))

    def promise(self, level: float) -> float:
        """The most that any composition within a level is expected to improve on the best, were it known for sure."""
        within = np.flatnonzero(self.beliefs.costs <= level)
        if not len(within):
            return 0.0
        deviation = np.sqrt(self.beliefs.posterior.variance[within])
        gains = expected_improvement(self.beliefs.posterior.mean[within], deviation, self._best(level))
        return float(gains.max(initial=0.0))

    def pick(self, level: float) -> bool:
        """Add the most valuable step for a level; whether there is one that the budget has room for."""
        values = self._values(level)
        fresh = self.beliefs.costs * self.rungs.items_of_next(self.beliefs.items)
        worth = values / np.maximum(fresh, CHEAPEST_PRICE) ** self.alpha
        short = np.argsort(-worth, kind="stable")[:SHORTLIST]
        options = [(int(each), *self._priced(int(each))) for each in short[values[short] > 0].tolist()]
        fitting = [(number, ask, price) for number, ask, price in options if price <= self._left]
        if not fitting:
            return False
        self._add(*max(fitting, key=lambda each: values[each[0]] / max(each[2], CHEAPEST_PRICE) ** self.alpha))
        return True

    def grant(self, proposed: Sequence[int], most: int) -> None:
        """Add the next steps of compositions that others propose, while the batch has fewer steps than `most`.

        A composition that joined the problem after the beliefs were formed is open, and no belief is narrowed by it.
        """
        for number in proposed:
            if len(self.asks) >= most:
                return
            if number not in self._taken and self._is_open(number):
                ask, price = self._priced(number)
                if price <= self._left:
                    self._add(number, ask, price)

    def _is_open(self, number: int) -> bool:
        if number >= len(self._noise):
            return self.problem.cost(number) <= self.problem.levels[-1]
        return bool(np.isfinite(self._noise[number]) and self.beliefs.costs[number] <= self.problem.levels[-1])

    def _values(self, level: float) -> Floats:
        posterior, values = self.beliefs.posterior, np.zeros(len(self._noise))
        open_ = (self.beliefs.costs <= level) & np.isfinite(self._noise)
        open_[[each for each in self._taken if each < len(values)]] = False
        deviation = np.sqrt(posterior.variance[open_])
        values[open_] = expected_improvement(posterior.mean[open_], deviation, self._best(level))
        return values

    def _best(self, level: float) -> float:
        best = self.beliefs.best(level, self.rungs.fewest)
        mean = self.beliefs.posterior.mean
        return float(mean[self.beliefs.costs <= level].max() if best is None else mean[best])

    def _priced(self, composition: int) -> tuple[Ask, float]:
        if composition not in self._prices:
            ask = self.rungs.next_ask(self.evidence, composition, self.pool)
            assert ask is not None
            self._prices[composition] = ask, self.problem.price([ask])
        return self._prices[composition]

    def _add(self, number: int, ask: Ask, price: float) -> None:
        self.asks.append(ask)
        self._taken.append(number)
        self._left -= price
        if number < len(self._noise):
            self.beliefs.posterior.plan(number, float(self._noise[number]))
