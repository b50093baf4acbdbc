"""Bayesian optimisation over all compositions: random ones first, then wherever the most improvement is expected."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..decisions.expected_improvement import expected_improvement
from ..decisions.gaussian_process import GaussianProcess
from ..problem import Decision, Floats, Problem, Search
from .surrogate import Surrogate
from .whole import DONE, in_random_order, one_by_one


class Improving(BaseModel):
    """Measures each composition once, on all items; what the kinds of it differ in is how they treat noise.

    Expected improvement is maximised over all compositions not measured yet, exactly: none is proposed twice, and none
    above the limit of a query is ever scored.

    Args:
        initial: compositions measured at random before the first model.
        evaluations: measures so many compositions at most, the initial ones among them.
        refit_every: evaluations between two fits of the hyper-parameters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    initial: int = Field(ge=2)
    evaluations: int = Field(ge=2)
    refit_every: int = Field(ge=1)

    @abstractmethod
    def noise(self, means: Floats, items: int) -> Floats:
        """The variance of the noise of each mean over so many items."""

    @abstractmethod
    def best(self, observed: Floats, believed: Floats) -> float:
        """The value to improve on, of what was observed and what the model believes at the same compositions."""

    @abstractmethod
    def decided(self, problem: Problem, scores: dict[int, float], seed: int, reason: str) -> Decision:
        """The choices, once it has ended."""

    def search(self, problem: Problem, seed: int) -> Search:
        """Begin a search."""
        scores: dict[int, float] = {}
        order = iter(in_random_order(problem, seed).tolist())
        initial = min(self.initial, self.evaluations)
        reason = yield from one_by_one(problem, scores, initial, lambda: next(order, None))
        if reason == DONE:
            proposals = _Proposals(self, problem, scores, seed)
            reason = yield from one_by_one(problem, scores, self.evaluations, proposals.following)
        return self.decided(problem, scores, seed, reason)

    def fitted(self, features: Floats, items: int, scores: dict[int, float], seed: int) -> GaussianProcess:
        """The process that explains the scores best, from one start: more make no difference to what is found."""
        observed = np.array(list(scores.values()))
        return GaussianProcess.fit(features[list(scores)], observed, self.noise(observed, items), seed=seed, starts=1)


class _Proposals:
    """What to measure next, given scores to which each proposal is added in turn."""

    def __init__(self, rule: Improving, problem: Problem, scores: dict[int, float], seed: int) -> None:
        self._rule, self._scores, self._seed = rule, scores, seed
        self._items, self._features = problem.items, problem.features
        self._fitted_at = -rule.refit_every
        self._surrogate: Surrogate

    def following(self) -> int | None:
        known = list(self._scores)
        if len(known) == len(self._features):
            return None
        observed = np.array(list(self._scores.values()))
        if len(known) - self._fitted_at >= self._rule.refit_every:
            process = self._rule.fitted(self._features, self._items, self._scores, self._seed)
            self._surrogate = Surrogate(self._features, process, observed, self._rule.refit_every)
            self._fitted_at = len(known)
        else:
            self._surrogate.add(known[-1], observed[-1], float(self._rule.noise(observed, self._items)[-1]))
        mean, spread = self._surrogate.predict()
        improvement = expected_improvement(mean, spread, self._rule.best(observed, mean[known]))
        improvement[known] = -1.0
        return int(improvement.argmax())
