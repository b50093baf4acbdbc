"""What a method would score at N, estimated without bias from one pool of M >= N draws of a query.

Every estimator is a U-statistic: the mean of the method's outcome over all subsets of N draws. That is the expected
outcome of a fresh run of N, and it wastes no draw. Average over queries to get an accuracy; for a difference of two
settings, subtract query by query first, because estimates from one pool are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ...orchestrator.errors import UsageError
from .pool import Draw, Pool, check_n
from .votes import vote, weighted_vote

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Method:
    """A way to turn N draws into one answer.

    Args:
        name: its key in `METHODS`.
        title: its name for people.
        label: its name at an N, with ``{n}`` for it.
        estimate: the expected label of its answer at N, from a pool.
        judges: whether it asks the verifier about its draws (of a single draw it never does).
    """

    name: str
    title: str
    label: str
    estimate: Callable[[Pool, int], float]
    judges: bool = False


@lru_cache(maxsize=256)
def order_weights(m: int, n: int) -> Floats:
    """The chance of each of `m` draws in ascending order to be the largest of `n` of them: C(j-1, n-1) / C(m, n).

    >>> order_weights(4, 2).tolist()
    [0.0, 0.16666666666666666, 0.3333333333333333, 0.5]

    Raises:
        UsageError: `n` is not between 1 and `m`.
    """
    check_n(m, n)
    weights = np.zeros(m)
    j = np.arange(m, n, -1)  # w_m = n/m, and w_(j-1) = w_j (j-n)/(j-1): nothing overflows
    weights[n - 1 :] = (n / m * np.cumprod(np.concatenate(([1.0], (j - n) / (j - 1)))))[::-1]
    weights.flags.writeable = False
    return weights


def pass_at_k(m: int, correct: int, k: int) -> float:
    """The chance that `k` of `m` draws, `correct` of them right, hold a right one (Chen et al. 2021).

    >>> round(pass_at_k(4, 1, 2), 12)
    0.5

    Raises:
        UsageError: `k` is not between 1 and `m`, or `correct` not between 0 and `m`.
    """
    check_n(m, k)
    if not 0 <= correct <= m:
        raise UsageError(f"the right draws must be between 0 and the pool's {m}, got {correct}; count them anew")
    if m - correct < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(m - correct + 1, m + 1)))


def mean(pool: Pool, n: int = 1) -> float:
    """The mean label: the accuracy of one draw (pass@1), whatever `n`."""
    check_n(len(pool), n)
    return float(labels(pool).mean())


def coverage(pool: Pool, n: int) -> float:
    """The expected best label of `n` draws; for right or wrong labels this is pass@n. Needs the labels."""
    return float(order_weights(len(pool), n) @ np.sort(labels(pool)))


def best_of_n(pool: Pool, n: int) -> float:
    """The expected label of the draw the strategy `best_of_n` would put first."""
    return float(order_weights(len(pool), n) @ labels_by_score(pool))


def labels_by_score(pool: Pool) -> Floats:
    """The labels from the draw that the strategy `best_of_n` would put last to the one it would put first.

    Draws stand in the strategy's own order: a valid score above none, then by score, then fewer generated tokens.
    Where these tie, the strategy takes the lower index; draws are exchangeable, so each of the tied is as likely
    to have it, and each has the mean label of the tied. The label itself never breaks a tie.
    """
    keys = np.array([_rank(draw) for draw in pool.draws])
    order = np.lexsort(keys.T[::-1])
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], np.any(ordered[1:] != ordered[:-1], axis=1))))
    sizes = np.diff(np.append(starts, len(pool)))
    tied: Floats = np.repeat(np.add.reduceat(labels(pool)[order], starts) / sizes, sizes)
    return tied


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method("single", "Single draw", "single draw", mean),
            Method("best_of_n", "Best of N by score", "best of {n}", best_of_n, judges=True),
            Method("vote", "Majority vote", "vote of {n}", vote),
            Method("weighted_vote", "Vote weighted by score", "weighted vote of {n}", weighted_vote, judges=True),
        )
    }
)


def method_named(name: str) -> Method:
    """The method called `name`.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in METHODS:
        raise UsageError(f"a method must be one of {', '.join(METHODS)}, got {name!r}; name one of these")
    return METHODS[name]


def estimates(pools: Sequence[Pool], method: str, n: int) -> Floats:
    """The expected label of `method` at `n` on each query, in the order of `pools`."""
    estimate = method_named(method).estimate
    return np.clip([estimate(pool, n) for pool in pools], 0.0, 1.0)  # weights sum to 1 only up to rounding


def _rank(draw: Draw) -> tuple[bool, float, bool, int]:
    """Smaller is worse; a draw that was lost, and so generated nothing, comes after all that were not."""
    tokens = draw.generation.completion_tokens
    return (draw.score is not None, draw.score or 0.0, tokens > 0, -tokens)


def labels(pool: Pool) -> Floats:
    """The label of each draw."""
    return np.array([draw.correct for draw in pool.draws], dtype=np.float64)
