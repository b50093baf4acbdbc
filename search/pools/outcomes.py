"""What a pool says of a composition: the expected label of its answer, and what a fresh run costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...orchestrator.budget import amounts
from ...orchestrator.strategy import Strategy
from ...orchestrator.types import Usage
from ...strategies import BestOfN, RandomNoiseSearch, SelfConsistency
from ..problem import Floats
from .arms import draws_of, is_pooled
from .estimators import estimates, labels_by_score, method_named, order_weights
from .majority import MOST_DRAWS, majority
from .pool import Pool, check_n


@dataclass(frozen=True, slots=True)
class Outcome:
    """A composition on one query.

    Args:
        value: the expected label, 0 to 1.
        cost: of a fresh run, in the order of `COUNTED`.
        failed: draws behind it that were lost.
        unjudged: draws that the checker could not judge.
        unscored: draws that the verifier that chooses could not judge.
        picture: the thumbnail of what the answer shows, and the label of that, where it is a picture.
    """

    value: float
    cost: Floats
    failed: int = 0
    unjudged: int = 0
    unscored: int = 0
    picture: tuple[str, float] | None = None


class Reading:
    """A pool, read once for all the compositions that it serves."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._drawing = _mean([draw.generation for draw in pool.draws])
        self._judging = _mean([draw.judgement for draw in pool.draws])
        self._failed = sum(draw.is_lost for draw in pool.draws)
        self._unjudged = sum(draw.is_unjudged for draw in pool.draws)
        self._unscored = sum(draw.score is None and not draw.is_lost for draw in pool.draws)
        self._values: dict[tuple[str, int], float] = {}

    def of(self, composition: Strategy) -> Outcome:
        """What the pool says of a composition.

        Each of the draws pays its own prompt. Draws that happen to be equal are counted as judged one by one, though
        the strategies judge them once: the true cost is never higher.
        """
        method, n = method_of(composition)
        if (method, n) not in self._values:
            self._values[method, n] = min(1.0, max(0.0, self._value(method, n)))
        is_judged = n > 1 and method_named(method).judges
        return Outcome(
            self._values[method, n],
            n * (self._drawing + self._judging if is_judged else self._drawing),
            self._failed,
            self._unjudged,
            self._unscored if is_judged else 0,
            self._picture(n),
        )

    def _value(self, method: str, n: int) -> float:
        """The expected label, as `estimators` and `votes` have it; what does not hang on n is found once."""
        check_n(len(self._pool), n)
        if method == "best_of_n":
            return float(order_weights(len(self._pool), n) @ self._ranked)
        if method == "vote" and len(self._pool) <= MOST_DRAWS:
            return float(self._votes[n - 1])
        return float(estimates([self._pool], method, n)[0])

    def _picture(self, n: int) -> tuple[str, float] | None:
        """What the first `n` draws give, where the one that is scored best is chosen; the first of equals."""
        shown = [draw for draw in self._pool.draws[:n] if draw.thumbnail]
        best = max(shown, key=lambda draw: -math.inf if draw.score is None else draw.score, default=None)
        return None if best is None else (best.thumbnail, best.correct)

    @cached_property
    def _ranked(self) -> Floats:
        return labels_by_score(self._pool)

    @cached_property
    def _votes(self) -> Floats:
        return majority(self._pool)


def method_of(composition: Strategy) -> tuple[str, int]:
    """How a composition's answer is estimated from its arm's pool: a key of `METHODS`, and how many draws."""
    if not is_pooled(composition):
        return "single", 1
    match composition:
        case BestOfN(weighted=True, n=n) if n > 1:
            return "weighted_vote", n
        case BestOfN(n=n) | RandomNoiseSearch(n=n) if n > 1:
            return "best_of_n", n
        case SelfConsistency(n=n):
            return "vote", n
    return "single", draws_of(composition)


def _mean(usages: list[Usage]) -> Floats:
    found: Floats = np.array([amounts(usage) for usage in usages], dtype=np.float64).mean(axis=0)
    return found
