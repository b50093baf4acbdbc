"""Bayesian optimisation done well: the noise of each mean is known, and what is believed is returned, not scores."""

from __future__ import annotations

from pydantic import Field

from ..problem import Decision, Floats, Problem
from .improving import Improving
from .whole import decision


class TunedBO(Improving):
    """30 random compositions, then expected improvement over the best belief up to 230; the best belief is returned.

    A mean over n items has the noise variance p (1 - p) / n, with p from one more item of each kind, so that a perfect
    score is not without noise.
    """

    initial: int = Field(default=30, ge=2)
    evaluations: int = Field(default=230, ge=2)
    refit_every: int = Field(default=10, ge=1)

    def noise(self, means: Floats, items: int) -> Floats:
        """That of a share of so many items."""
        share = (means * items + 1) / (items + 2)
        found: Floats = share * (1 - share) / items
        return found

    def best(self, observed: Floats, believed: Floats) -> float:
        """The highest belief."""
        return float(believed.max())

    def decided(self, problem: Problem, scores: dict[int, float], seed: int, reason: str) -> Decision:
        """The highest beliefs among what was measured."""
        if not scores:
            return decision(problem, scores, reason)
        features = problem.features
        believed, _ = self.fitted(features, problem.items, scores, seed).predict(features[list(scores)])
        return decision(problem, dict(zip(scores, believed.tolist(), strict=True)), reason)
