"""Precision and recall of made images: how many look real, and how much of what is real they reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 3
Features = NDArray[np.float64]  # [n, d]


def precision(made: Features, real: Features, k: int = NEIGHBOURS) -> float:
    """The share of what is made that lies within the manifold of what is real.

    The manifold of a set is the union of balls around its points, each as wide as to its k-th nearest neighbour in the
    set (Kynkaanniemi et al. 2019, arXiv 1904.06991, equation 1). Swapped, it is recall. Both depend on how many points
    there are: compare sets of one size.

    >>> line = np.arange(10.0)[:, None]
    >>> precision(line + 0.5, line, 1), precision(line + 100, line, 1), precision(line[:1], line, 1)
    (1.0, 0.0, 1.0)
    """
    reach = np.sort(_distances(real, real), axis=1)[:, k]  # the nearest is the point itself
    return float(np.mean((_distances(made, real) <= reach).any(axis=1)))


def recall(made: Features, real: Features, k: int = NEIGHBOURS) -> float:
    """The share of what is real that lies within the manifold of what is made.

    >>> line = np.arange(10.0)[:, None]
    >>> recall(line + 0.5, line, 1), recall(np.zeros((10, 1)), line, 1)
    (1.0, 0.1)
    """
    return precision(real, made, k)


def _distances(one: Features, other: Features) -> Features:
    squares = np.sum(one**2, axis=1)[:, None] + np.sum(other**2, axis=1) - 2 * one @ other.T
    return np.sqrt(squares.clip(0))
