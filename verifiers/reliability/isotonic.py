"""Isotonic calibration: the rising steps that fit best how often what a score tells comes true."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby

import numpy as np

from ...orchestrator.errors import UsageError


def fit_isotonic(scores: Sequence[float], outcomes: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The knots of the rising function of the score that is nearest to the outcomes in least squares.

    Pool adjacent violators (Ayer et al. 1955), used for calibration by Zadrozny and Elkan (2002): scores that tie are
    one point with their mean outcome; then neighbours that fall are pooled into their mean until none does. Only the
    two ends of each pool are knots; between knots the function is linear, beyond them it is level. Unlike Platt's line
    it keeps no shape but the rising, and wants some hundred outcomes. Scores below all that came true get 0 and above
    all that did not get 1: a probability that few outcomes back.

    Args:
        scores: what the verifier said.
        outcomes: 1 where it came true, 0 where it did not, or a share.

    Returns:
        The scores of the knots, rising, and the probability at each, never falling.

    Raises:
        UsageError: there are none, one is not finite, or there is not one outcome a score.

    >>> fit_isotonic([0.1, 0.2, 0.3, 0.4, 0.5], [0, 1, 0, 1, 1])
    ((0.1, 0.2, 0.3, 0.4, 0.5), (0.0, 0.5, 0.5, 1.0, 1.0))
    """
    if len(scores) != len(outcomes) or not scores:
        raise UsageError(f"there must be one outcome a score, and at least one, got {len(scores)} and {len(outcomes)}")
    if not np.isfinite(scores).all() or not all(0 <= outcome <= 1 for outcome in outcomes):
        raise UsageError("scores must be finite and outcomes from 0 to 1; leave out what was not judged")
    pools: list[tuple[float, float, float, int]] = []  # first score, last score, sum of outcomes, their number
    for score, tied in groupby(sorted(zip(scores, outcomes, strict=True)), key=lambda pair: pair[0]):
        told = [outcome for _, outcome in tied]
        pools.append((score, score, sum(told), len(told)))
        while len(pools) > 1 and pools[-2][2] * pools[-1][3] >= pools[-1][2] * pools[-2][3]:
            (first, _, before, few), (_, last, after, more) = pools[-2:]
            pools[-2:] = [(first, last, before + after, few + more)]
    knots = {float(score): total / count for first, last, total, count in pools for score in (first, last)}
    return tuple(knots), tuple(accumulate(knots.values(), max))
