"""How good each composition is, freed of which items it was measured on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..problem import Floats, Indices
from .evidence import Evidence

ROUNDS = 10
PRIOR_ITEMS = 15  # what all compositions tell of the variance counts as so many items of a composition's own
FLOOR = 1e-3  # of the scatter, where nothing varied yet


@dataclass(frozen=True, slots=True)
class Means:
    """What the evidence says of each composition that was measured.

    Args:
        compositions: their numbers, rising.
        means: the accuracy of each on all items that anyone was measured on.
        noise: the variance of each mean over samples of items and of draws.
        items: items each was measured on.
        replicates: replicates each was measured in.
        scatter: the variance of a label about composition + item, as a share of p(1-p).
    """

    compositions: Indices
    means: Floats
    noise: Floats
    items: Indices
    replicates: Indices
    scatter: float

    @property
    def excess(self) -> float:
        """By how many standard deviations the means differ more than their noise alone would have them.

        Cochran's Q (1954) against the mean and the deviation of its chi-squared distribution; 0 for one composition.
        """
        centre = np.average(self.means, weights=1 / self.noise)
        q, freedom = float(((self.means - centre) ** 2 / self.noise).sum()), len(self.means) - 1
        return (q - freedom) / math.sqrt(2 * freedom) if freedom else 0.0


def composition_means(evidence: Evidence) -> Means:
    """The means of all compositions in a two-way additive model, accuracy = composition + item.

    Compositions measured on different items can then be compared, so far as items are easy or hard for all alike:
    the model's form of pairing. The noise is that of what the model leaves, estimated for each composition from its
    own items and shrunk towards what p(1-p) lets expect. Replicates of an item count as one value, their mean.

    Args:
        evidence: with one composition measured or more.
    """
    compositions = np.array(evidence.compositions, dtype=np.intp)
    values = np.array([evidence.values(composition) for composition in compositions])
    known = ~np.isnan(values)
    items = known.sum(axis=1)
    means, effects = _additive(np.where(known, values, 0.0), known)
    squares = np.where(known, values - means[:, None] - effects, 0.0) ** 2
    expected = spread(means)
    scatter = max(float(squares.sum() / (expected @ np.maximum(items - 1, 1))), FLOOR)
    variance = (squares.sum(axis=1) + PRIOR_ITEMS * scatter * expected) / (items - 1 + PRIOR_ITEMS)
    replicates = np.array([len(evidence.replicates(composition)) for composition in compositions], dtype=np.intp)
    return Means(compositions, means, variance / items, items, replicates, scatter)


def spread(accuracy: Floats) -> Floats:
    """The variance p(1-p) of a label that is right with probability p, never quite none."""
    held = np.clip(accuracy, 0.02, 0.98)
    return np.asarray(held * (1 - held), dtype=np.float64)


def _additive(filled: Floats, known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[Floats, Floats]:
    """The row means and column effects of a table with gaps (filled with 0), by alternating least squares."""
    by_row, by_column = known.sum(axis=1), known.sum(axis=0)
    seen = by_column > 0
    means, effects = filled.sum(axis=1) / by_row, np.zeros(known.shape[1])
    for _ in range(ROUNDS):
        effects = (filled - known * means[:, None]).sum(axis=0) / np.maximum(by_column, 1)
        effects = np.where(seen, effects - effects[seen].mean(), 0.0)
        means = (filled - known * effects).sum(axis=1) / by_row
    return means, effects
