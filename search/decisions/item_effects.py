"""How good each composition is, freed of which items it was measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem import Floats, Indices
from .evidence import Evidence

ROUNDS = 10
PRIOR_ITEMS = 15.0  # the pooled variance counts as so many items of a composition's own


@dataclass(frozen=True, slots=True)
class Means:
    """What the evidence says of each composition that was measured.

    Args:
        compositions: their numbers, rising.
        means: the accuracy of each on all items that anyone was measured on.
        noise: the variance of each mean over samples of items and draws.
        items: items each was measured on.
        replicates: the mean replicates an item.
    """

    compositions: Indices
    means: Floats
    noise: Floats
    items: Indices
    replicates: Floats


def composition_means(evidence: Evidence) -> Means:
    """The means of all compositions in a two-way additive model: composition + item.

    Compositions measured on different items can be compared so far as items are easy or hard for all alike. The
    noise is that of what is left, estimated for each from its own items and shrunk towards what p(1-p) lets expect.
    """
    compositions = np.array(evidence.compositions, dtype=np.intp)
    values = np.array([evidence.values(c) for c in compositions])
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    filled = np.where(known, values, 0.0)
    means, effects = filled.sum(axis=1) / counts, np.zeros(values.shape[1])
    seen = np.maximum(known.sum(axis=0), 1)
    for _ in range(ROUNDS):
        effects = (filled - known * means[:, None]).sum(axis=0) / seen
        effects -= effects[known.any(axis=0)].mean()
        means = (filled - known * effects).sum(axis=1) / counts
    residuals = np.where(known, values - means[:, None] - effects, 0.0)
    squares = (residuals**2).sum(axis=1)
    inside = np.clip(means, 0.02, 0.98)
    spread = inside * (1 - inside)
    pooled = max(float(squares.sum() / (spread * np.maximum(counts - 1, 1)).sum()), 1e-3)
    variance = (squares + PRIOR_ITEMS * pooled * spread) / (counts - 1 + PRIOR_ITEMS)
    reps = np.array([len(evidence.replicates(c)) for c in compositions], dtype=float)
    return Means(compositions, means, variance / counts, counts, reps)
