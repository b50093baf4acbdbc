"""Random search: measure compositions in an order by chance, return the best seen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ..problem import Problem, Search
from .whole import decision, in_random_order, one_by_one


class RandomSearch(BaseModel):
    """Measures compositions drawn without replacement.

    Args:
        evaluations: measures so many compositions at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    evaluations: int = Field(default=500, ge=1)

    def search(self, problem: Problem, seed: int) -> Search:
        """Begin a search."""
        order = iter(in_random_order(problem, seed).tolist())
        scores: dict[int, float] = {}
        reason = yield from one_by_one(problem, scores, self.evaluations, lambda: next(order, None))
        return decision(problem, scores, reason)
