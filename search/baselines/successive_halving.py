"""Successive halving: many compositions on few items, the better half on twice as many, and so on."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..problem import Floats, Problem, Search
from .whole import BUDGET_ENDED, decision, in_random_order, measured


class SuccessiveHalving(BaseModel):
    """Jamieson and Talwalkar (2016, arXiv 1502.07943, figure 1), with development items as the resource.

    What was measured on the items of a rung is kept for the next. Only compositions measured on all items may be
    returned; where the budget ends before any is, the best of the last rung that was finished.

    Args:
        compositions: drawn at random for the first rung.
        halvings: rungs after the first; the first has items / 2^halvings items.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    compositions: int = Field(default=256, ge=1)
    halvings: int = Field(default=3, ge=0)

    def search(self, problem: Problem, seed: int) -> Search:
        """Begin a search."""
        alive = in_random_order(problem, seed)[: self.compositions].tolist()
        known: dict[int, Floats] = {composition: np.zeros(0) for composition in alive}
        scores: dict[int, float] = {}
        done = 0
        for rung in range(self.halvings + 1):
            until = max(1, problem.items >> (self.halvings - rung))
            values = yield from measured(problem, alive, range(done, until))
            if len(values) < len(alive):
                return decision(problem, scores, BUDGET_ENDED)
            known = {composition: np.append(known[composition], values[composition]) for composition in alive}
            scores = {composition: float(known[composition].mean()) for composition in alive}
            alive = sorted(alive, key=lambda composition: -scores[composition])[: max(1, len(alive) // 2)]
            done = until
        return decision(problem, scores, "the last rung is done")
