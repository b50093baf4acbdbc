"""How sure a vote is: the chance that the leading answer would still lead after endlessly many more votes.

Adaptive-Consistency (Aggarwal et al. 2023) puts a uniform prior on how often each answer is given; after
the votes are counted, the shares of the answers follow a Dirichlet law with the counts plus one as its parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NODES = 256
TAIL = 40.0
DEVIATIONS = 10.0


def beta_confidence(counts: Sequence[int]) -> float:
    """The chance that the most frequent answer stays ahead of the second, all others ignored.

    It is ``1 - I_0.5(v1 + 1, v2 + 1) = 1 - 2**-n * sum(C(n, k) for k <= v2)`` with ``n = v1 + v2 + 1``, in whole
    numbers, rounded once. Answers that are not there yet count as one with no vote; no vote at all gives one half.

    >>> [beta_confidence((votes,)) for votes in (1, 2, 3, 4)]
    [0.75, 0.875, 0.9375, 0.96875]
    """
    first, second = (*sorted(counts, reverse=True), 0, 0)[:2]
    n = first + second + 1
    term = below = 1
    for k in range(second):
        term = term * (n - k) // (k + 1)
        below += term
    return ((1 << n) - below) / (1 << n)


def dirichlet_confidence(counts: Sequence[int]) -> float:
    """The chance that the most frequent answer has the largest share of all, to ten decimals.

    The shares are independent Gamma variables over their sum, so the chance is the integral over x of the leader's
    density times every other's distribution function, one-dimensional and smooth: Gauss-Legendre. The source draws it
    by Monte Carlo over the five most frequent answers. With fewer than three answers it is `beta_confidence`.

    >>> dirichlet_confidence((4, 1, 1)), beta_confidence((4, 1, 1))
    (0.8128000686, 0.890625)
    """
    first, *others = (*sorted(counts, reverse=True), 0, 0)[: max(2, len(counts))]
    if len(others) < 2:
        return beta_confidence(counts)
    shape, rest = first + 1, np.asarray(others) + 1
    low = max(0.0, shape - DEVIATIONS * math.sqrt(shape))
    half = (shape + DEVIATIONS * math.sqrt(shape) + TAIL - low) / 2
    nodes, weights = _gauss_legendre()
    events = _poisson(low + half * (nodes + 1), shape)
    reached = 1 - np.cumsum(events, axis=0)
    values, times = np.unique(rest, return_counts=True)
    ahead = np.prod(np.clip(reached[values - 1], 0, 1) ** times[:, None], axis=0)
    return round(float(half * np.sum(weights * events[-1] * ahead)), 10)


def _poisson(means: Floats, most: int) -> Floats:
    """The chance of 0 to `most` - 1 events (rows) at each mean; the last is the Gamma density of shape `most` there."""
    events = np.arange(most)[:, None]
    factorials = np.array([math.lgamma(k + 1) for k in range(most)])[:, None]
    chances: Floats = np.exp(events * np.log(means) - means - factorials)
    return chances


@lru_cache(maxsize=1)
def _gauss_legendre() -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(NODES)
