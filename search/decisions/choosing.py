"""What a search recommends, given all it has seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np

from ...orchestrator.intervals import CONFIDENCE
from ..problem import Choice
from .beliefs import Beliefs


def choices(beliefs: Beliefs, levels: Sequence[float], fewest: int, indifference: float) -> Iterator[Choice]:
    """One choice a level at which anything can be compared: the cheapest of those believed as good as the best.

    Beliefs decide, not what was measured: the best of many noisy means owes its place to luck. Tied with a choice is
    what may well be as good as it, at 95 %, under the joint posterior.

    Args:
        beliefs: with all evidence.
        levels: what a query may cost.
        fewest: items on which a composition must be known to be chosen.
        indifference: differences in accuracy that are not worth any cost.
    """
    mean, variance = beliefs.posterior.mean, beliefs.posterior.variance
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    for level in levels:
        able = beliefs.comparable(level, fewest)
        if not len(able):
            continue
        able = able[np.argsort(beliefs.costs[able], kind="stable")]
        chosen = int(able[np.argmax(mean[able] >= mean[able].max() - indifference)])
        apart = variance + variance[chosen] - 2 * beliefs.posterior.covariance(chosen)
        tied = able[mean[chosen] - mean[able] <= reach * np.sqrt(np.maximum(apart[able], 0.0))]
        estimate = float(np.clip(mean[chosen], 0.0, 1.0))
        yield Choice(level, chosen, estimate, tuple(each for each in tied.tolist() if each != chosen))
