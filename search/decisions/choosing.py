"""What a search recommends, given all it has seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np

from ...orchestrator.intervals import CONFIDENCE
from ..problem import Choice
from .beliefs import Beliefs

TIED = NormalDist().inv_cdf(0.99)
"""Standard deviations within which the best and the cheapest count as tied; wide, since the best was picked for it."""
KNOWN = 0.025
"""The standard deviation of their difference from which on it counts as known."""
ALIKE = 3.0
"""Standard deviations of Cochran's Q within which compositions as a whole count as alike."""


def cheapest_of_tied(beliefs: Beliefs, level: float, fewest: int) -> int | None:
    """The cheapest composition within a level where none is known to be better than it; None where one may be.

    A tie is told from ignorance by the standard deviation of the difference between it and the best, and from a
    landscape that hides its best by how little all compositions differ.
    """
    best = beliefs.best(level, fewest)
    cheapest = int(np.argmin(beliefs.costs))
    if best is None or beliefs.items[cheapest] < fewest:
        return None
    apart = float(beliefs.deviations_from(best)[cheapest])
    lead = float(beliefs.posterior.mean[best] - beliefs.posterior.mean[cheapest])
    is_tied = lead <= TIED * apart and apart <= KNOWN and beliefs.means.excess <= ALIKE
    return cheapest if is_tied else None


def choices(beliefs: Beliefs, levels: Sequence[float], fewest: int, indifference: float) -> Iterator[Choice]:
    """One choice a level at which anything was measured: the cheapest of those believed as good as the best.

    Beliefs decide, not what was measured: the best of many noisy means owes its place to luck. Tied with a choice is
    what may well be as good as it, at 95 %, under the joint posterior.

    Args:
        beliefs: with all evidence.
        levels: what a query may cost.
        fewest: items on which a composition must be known to be chosen, where any is.
        indifference: differences in accuracy that are not worth any cost.
    """
    mean = beliefs.posterior.mean
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    for level in levels:
        able = beliefs.comparable(level, fewest)
        if not len(able):
            able = beliefs.comparable(level, 1)
        if not len(able):
            continue
        able = able[np.argsort(beliefs.costs[able], kind="stable")]
        chosen = cheapest_of_tied(beliefs, level, fewest)
        if chosen is None:
            chosen = int(able[np.argmax(mean[able] >= mean[able].max() - indifference)])
        tied = able[np.abs(mean[chosen] - mean[able]) <= reach * beliefs.deviations_from(chosen)[able]]
        estimate = float(np.clip(mean[chosen], 0.0, 1.0))
        yield Choice(level, chosen, estimate, tuple(each for each in tied.tolist() if each != chosen))
