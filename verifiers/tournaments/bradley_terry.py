"""Bradley-Terry: strengths that explain who beat whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .pairwise import Match

TOLERANCE = 1e-12
MOST_ROUNDS = 20_000


def bradley_terry(count: int, matches: Sequence[Match]) -> list[float]:
    """The chance of each of `count` players to beat an even opponent; these chances have the mean 1/2.

    The strengths s of Bradley and Terry (1952), by which i beats j with the chance s_i / (s_i + s_j), are the most
    likely ones, found by the minorise-maximise steps of Hunter (2004). Each player has also drawn one match
    with an opponent of strength 1, half a win each, so that strengths are finite and unique where someone lost nothing
    or where two groups never met. A chance is s / (s + 1). Points of a match may be any two shares that add up to 1.

    Args:
        count: players, numbered from 0.
        matches: those that were not played count for nothing.

    >>> [round(chance, 4) for chance in bradley_terry(3, [(0, 1, (1.0, 0.0)), (1, 2, (1.0, 0.0))])]
    [0.75, 0.5, 0.25]
    """
    wins, met = np.full(count, 0.5), np.zeros((count, count))
    for one, other, points in matches:
        if points is not None:
            wins[one] += points[0]
            wins[other] += points[1]
            met[one, other] += 1
            met[other, one] += 1
    strengths = np.ones(count)
    for _ in range(MOST_ROUNDS):
        expected = (met / (strengths[:, None] + strengths)).sum(axis=1) + 1 / (strengths + 1)
        before, strengths = strengths, wins / expected
        if np.abs(strengths - before).max(initial=0.0) <= TOLERANCE * strengths.max(initial=1.0):
            break
    return [float(chance) for chance in strengths / (strengths + 1)]
