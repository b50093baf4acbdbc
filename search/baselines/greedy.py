"""Greedy search: change one knob at a time, keep what is better."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..problem import Ask, Floats, Problem, Row, Search
from .whole import ALL_TRIED, BUDGET_ENDED, DONE, decision, in_random_order, measured


class Greedy(BaseModel):
    """Climbs from random starts, one knob at a time, until nothing near is better; then starts anew.

    The greedy baseline of Archon (Saad-Falcon et al. 2024, arXiv 2409.15254, section 4) makes one climb; here it climbs
    as often as the evaluations allow, which can only be better.

    Args:
        evaluations: measures so many compositions at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    evaluations: int = Field(default=500, ge=1)

    def search(self, problem: Problem, seed: int) -> Search:
        """Begin a search."""
        scores: dict[int, float] = {}
        features = problem.features
        for start in in_random_order(problem, seed).tolist():
            if start not in scores:
                reason = yield from self._climb(problem, features, start, scores)
                if reason:
                    return decision(problem, scores, reason)
        return decision(problem, scores, ALL_TRIED)

    def _climb(
        self, problem: Problem, features: Floats, start: int, scores: dict[int, float]
    ) -> Generator[Sequence[Ask], Sequence[Row], str]:
        """Climb from a start; the reason to end the search, or nothing."""
        here, untried = start, iter([start])
        while (there := next(untried, None)) is not None:
            if there not in scores:
                if len(scores) == self.evaluations:
                    return DONE
                values = yield from measured(problem, [there])
                if not values:
                    return BUDGET_ENDED
                scores[there] = float(values[there].mean())
                if there == start:
                    untried = one_knob_away(features, start)
            if scores[there] > scores[here]:
                here, untried = there, one_knob_away(features, there)
        return ""


def one_knob_away(features: Floats, composition: int) -> Iterator[int]:
    """For each other value of each feature, the composition with it that is nearest in all other features."""
    seen = {composition}
    for column in range(features.shape[1]):
        distance = np.abs(np.delete(features - features[composition], column, axis=1)).sum(axis=1)
        for value in np.unique(features[:, column]):
            with_it = np.flatnonzero(features[:, column] == value)
            nearest = int(with_it[distance[with_it].argmin()])
            if nearest not in seen:
                seen.add(nearest)
                yield nearest
