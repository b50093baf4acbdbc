"""Neighbours of a noise: as far from the origin, at a given angle from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..orchestrator.errors import UsageError
from ..orchestrator.images import Array


def neighbours(pivot: Array, directions: Array, tau: float) -> Array:
    """Noises of the pivot's norm, each with the cosine `tau` to it, one a direction.

    ``y = |p| (tau u + sqrt(1 - tau^2) w)`` with ``u = p / |p|`` and ``w`` the direction's part across ``u``, as a unit
    vector. Where pivot and directions are standard normal, so are the neighbours: a search that goes from neighbour to
    neighbour stays among noises that the denoiser knows, which ``p + tau w`` does not. A pivot of zeros has itself
    alone.

    After the first author's code of Ma et al. 2025, arXiv 2501.09732, section 3.1.

    >>> p = np.array([3.0, 4.0])
    >>> neighbours(p, np.array([[1.0, 0.0]]), 0.0).tolist(), neighbours(p, np.array([[1.0, 0.0]]), 1.0).tolist()
    ([[4.0, -3.0]], [[3.0, 4.0]])

    Args:
        pivot: a noise, of any shape.
        directions: standard normal noise, ``[neighbours, *shape]``.
        tau: from -1, opposite, over 0, across, to 1, the pivot itself.

    Raises:
        UsageError: `tau` is outside.
    """
    if not -1.0 <= tau <= 1.0:
        raise UsageError(f"tau must be the cosine of an angle, -1 to 1, got {tau}; take 0.95 for close neighbours")
    p = pivot.ravel().astype(np.float64)
    norm = float(np.linalg.norm(p))
    v = directions.reshape(len(directions), p.size).astype(np.float64)
    across = _unit(v - np.outer(v @ p, p) / norm**2) if norm else np.zeros_like(v)
    found: Array = (tau * p + (1.0 - tau * tau) ** 0.5 * norm * across).astype(np.float32)
    return found.reshape(directions.shape)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row of length 1, and a row of zeros as it is."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: NDArray[np.float64] = rows / np.where(lengths > 0.0, lengths, 1.0)
    return found
