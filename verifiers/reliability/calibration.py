"""Calibration: whether what is said to be likely comes true as often as is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...orchestrator.errors import UsageError

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Neighbouring probabilities: the mean of what was said, the share that came true, and of how many."""

    said: float
    came_true: float
    count: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far probabilities are from what came true.

    Args:
        brier: the mean squared distance of what was said and what came true (Brier 1950), 0 to 1.
        ece: the expected calibration error (Naeini et al. 2015): how far within a bin the mean said is from the share
            that came true, on average over all outcomes.
        floor: what `ece` would be on average were every bin's mean exactly right, for so few outcomes: an `ece` near it
            tells no miscalibration.
        bins: the reliability curve, by what was said.
    """

    brier: float
    ece: float
    floor: float
    bins: tuple[Bin, ...]


def calibration(chances: Sequence[float], outcomes: Sequence[float], bins: int = BINS) -> Calibration:
    """Compare probabilities with what came true.

    Departs: the published error cuts the scale into bins of one width, of which most may be empty or hold a handful;
    here bins hold as near as can be the same number of outcomes, and equal probabilities are never parted. The error of
    few outcomes is too large on average, which `floor` tells.

    Args:
        chances: what was said, 0 to 1; leave out what could not be judged.
        outcomes: 1 where it came true, 0 where not.
        bins: at most so many.

    Raises:
        UsageError: there are none, one is no probability, or there is not one outcome a probability.

    >>> found = calibration([0.9, 0.9, 0.9, 0.9, 0.2, 0.2], [1, 1, 0, 0, 0, 0])
    >>> round(found.brier, 3), round(found.ece, 3), [(each.said, each.came_true) for each in found.bins]
    (0.287, 0.333, [(0.2, 0.0), (0.9, 0.5)])
    """
    said, true = np.asarray(chances, float), np.asarray(outcomes, float)
    if len(said) != len(true) or not len(said) or bins < 1:
        raise UsageError(
            f"there must be one outcome a probability, and at least one of each and of bins, got {len(true)} for "
            f"{len(said)} and {bins} bins"
        )
    if not all(((values >= 0) & (values <= 1)).all() for values in (said, true)):
        raise UsageError("probabilities and outcomes must be from 0 to 1, got others; map scores to them first")
    order = np.argsort(said, kind="stable")
    said, true = said[order], true[order]
    curve = [
        Bin(float(said[place].mean()), float(true[place].mean()), len(said[place])) for place in _places(said, bins)
    ]
    distance = math.fsum(each.count * abs(each.said - each.came_true) for each in curve) / len(said)
    return Calibration(float(np.mean((said - true) ** 2)), distance, _floor(curve), tuple(curve))


def _places(said: np.ndarray, bins: int) -> list[slice]:
    """Runs of sorted values, at most `bins`, as even as equal values allow."""
    ends = [len(said) * (i + 1) // bins for i in range(bins)]
    whole = sorted({int(np.searchsorted(said, said[end - 1], side="right")) for end in ends if end})
    return [slice(start, end) for start, end in zip([0, *whole], whole, strict=False)]


def _floor(curve: Sequence[Bin]) -> float:
    """The mean absolute error of each bin's share, by the normal law: sqrt(2 p (1 - p) / (pi n))."""
    errors = [each.count * math.sqrt(2 * each.said * (1 - each.said) / (math.pi * each.count)) for each in curve]
    return math.fsum(errors) / sum(each.count for each in curve)
