"""The Frechet distance: how far made images are from real ones, as two clouds of features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frechet(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The squared Frechet distance of the Gaussians with the means and covariances of two sets of features [n, d].

    Heusel et al. 2017, arXiv 1706.08500, equation 6. It is 0 for a set with itself, and grows as sets get small.

    >>> square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> round(frechet(square, square + 3), 6), round(frechet(square, 3 * square), 6)
    (18.0, 4.666667)
    """
    first, second = np.cov(one.T), np.cov(other.T)
    shift = one.mean(axis=0) - other.mean(axis=0)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    return float(shift @ shift + np.trace(first) + np.trace(second) - 2 * shared)
