"""Allocation: how many of `budget` children each node of a level gets.

Every rule is a total function on shares (nonnegative weights of any sum; where none is positive all count alike):
counts are never negative and sum to `budget` exactly, for any budget and any number of nodes but none. The arithmetic
is in whole numbers, so that no rounding loses or adds a child.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

import numpy as np

Rounding = Literal["largest_remainder", "systematic", "sequential_ceil", "multinomial"]
Scheme = Literal["systematic", "stratified", "multinomial", "residual"]
GRAIN = 2**53
"""Random points lie on a grid of this many in [0, 1), as NumPy's do."""


def softmax(scores: Sequence[float | None], temperature: float = 1.0) -> tuple[float, ...]:
    """The share of each score, ``exp(score / temperature)`` over the sum of all.

    What is None or not finite has no share; where nothing is valid all share alike. At temperature 0 the highest share
    alike, at infinity all valid ones.

    >>> softmax([1.0, 1.0, None]), softmax([20.0, -3.0], 0.0), softmax([None, math.nan])
    ((0.5, 0.5, 0.0), (1.0, 0.0), (0.5, 0.5))
    """
    valid = [score for score in scores if score is not None and math.isfinite(score)]
    if not valid:
        return tuple(1 / len(scores) for _ in scores)
    highest = max(valid)

    def weight(score: float | None) -> float:
        if score is None or not math.isfinite(score):
            return 0.0
        if score == highest or temperature == math.inf:
            return 1.0
        return math.exp((score - highest) / temperature) if temperature > 0 else 0.0

    weights = [weight(score) for score in scores]
    total = math.fsum(weights)
    return tuple(each / total for each in weights)


def equal_split(budget: int, nodes: int) -> list[int]:
    """As even as can be; the first get one more.

    >>> equal_split(7, 3), equal_split(1, 3)
    ([3, 2, 2], [1, 0, 0])
    """
    return [budget // nodes + (i < budget % nodes) for i in range(nodes)]


def laid_out(counts: Sequence[int], places: Sequence[int], size: int) -> list[int]:
    """A row of `size` counts: these at these places, zero elsewhere.

    >>> laid_out([3, 1], [2, 0], 4)
    [1, 0, 3, 0]
    """
    row = [0] * size
    for place, count in zip(places, counts, strict=True):
        row[place] = count
    return row


def largest_remainder(budget: int, shares: Sequence[float]) -> list[int]:
    """The whole part of each quota, and one more to those with the largest rest (Hamilton's method).

    Each count is less than one away from its quota, and a larger share never gets less. Ties go to the larger share,
    then to the earlier.

    >>> largest_remainder(7, [3.5, 1.61, 1.19, 0.7])
    [3, 2, 1, 1]
    """
    whole = _whole(shares)
    total = sum(whole)
    quotas = [divmod(budget * share, total) for share in whole]
    first = sorted(range(len(whole)), key=lambda i: (-quotas[i][1], -whole[i], i))
    more = set(first[: budget - sum(floor for floor, _ in quotas)])
    return [floor + (i in more) for i, (floor, _) in enumerate(quotas)]


def sequential_ceil(budget: int, shares: Sequence[float]) -> list[int]:
    """In turn, the quota of what is left among those left, rounded up (the code of Wu et al. 2024), exactly.

    It favours the earlier: give the shares best first.

    >>> sequential_ceil(7, [3.5, 1.61, 1.19, 0.7])
    [4, 2, 1, 0]
    """
    whole = _whole(shares)
    left, counts = sum(whole), []
    for share in whole:
        count = -(-budget * share // left) if left else 0
        counts.append(count)
        budget, left = budget - count, left - share
    return counts


def resample(
    budget: int,
    shares: Sequence[float],
    rng: np.random.Generator,
    scheme: Scheme = "systematic",
    *,
    retained: int | None = None,
) -> list[int]:
    """Counts whose expectation is the quota, ``budget * share``, exactly (Douc, Cappé and Moulines 2005).

    Points of [0, `budget`) are thrown on the quotas laid end to end: ``multinomial`` throws each anywhere,
    ``stratified`` one in each unit, ``systematic`` at the same place in each unit, so that a count is less than one
    away from its quota; ``residual`` gives the whole part of each quota and throws the rest anywhere.

    Args:
        budget: the sum of the counts.
        shares: weights in the order in which they are laid out.
        rng: where the points come from.
        scheme: how they are thrown.
        retained: the place of a share that must get one at least: the counts then follow their law given that one of
            the `budget`, drawn evenly, is its (Andrieu, Doucet and Holenstein 2010).
    """
    widths, floors = _whole(shares), [0] * len(shares)
    total = sum(widths)
    if scheme == "residual":
        floors = [budget * width // total for width in widths]
        widths = [budget * width % total for width in widths]
    rest = budget - sum(floors)
    thrown = points(rest, rng, scheme)
    if retained is not None and rest and not _is_whole(floors, widths, total, retained, rng):
        at = _within(widths, rest, retained, rng)
        thrown = [each - each % GRAIN + at % GRAIN for each in thrown] if scheme == "systematic" else thrown
        thrown[at // GRAIN] = at
    counts = [floor + more for floor, more in zip(floors, fallen(thrown, widths, rest), strict=True)]
    return counts if retained is None else _with_one(counts, retained)


def points(budget: int, rng: np.random.Generator, scheme: Scheme) -> list[int]:
    """`budget` points of [0, `budget`), on a grid of `GRAIN` to the unit."""
    if scheme == "systematic":
        offset = int(rng.integers(GRAIN))
        return [k * GRAIN + offset for k in range(budget)]
    offsets = rng.integers(GRAIN, size=budget).tolist()
    if scheme == "stratified":
        return [k * GRAIN + offset for k, offset in enumerate(offsets)]
    return [budget * offset for offset in offsets]


def fallen(thrown: Sequence[int], widths: Sequence[int], budget: int) -> list[int]:
    """How many points fall on each width, the widths laid end to end over [0, `budget`)."""
    ends = [end * budget * GRAIN for end in accumulate(widths)]
    total, counts = sum(widths), [0] * len(widths)
    for point in thrown:
        counts[bisect_right(ends, point * total)] += 1
    return counts


def _is_whole(floors: Sequence[int], rests: Sequence[int], total: int, i: int, rng: np.random.Generator) -> bool:
    """Whether the one of `i` that is drawn evenly is of the whole part of its quota."""
    return int(rng.integers(GRAIN)) * (floors[i] * total + rests[i]) < floors[i] * total * GRAIN


def _within(widths: Sequence[int], budget: int, i: int, rng: np.random.Generator) -> int:
    """A point that falls on the `i`-th width, evenly drawn; any point where the width is too thin to have one."""
    before, total = sum(widths[:i]) * budget * GRAIN, sum(widths)
    low, high = -(-before // total), -(-(before + widths[i] * budget * GRAIN) // total)
    return min(low + int(rng.integers(GRAIN)) * (high - low) // GRAIN, budget * GRAIN - 1)


def _with_one(counts: list[int], i: int) -> list[int]:
    """Counts with one at least for `i`, taken from who has most: for a share too thin to be hit."""
    if not counts[i] and any(counts):
        counts[counts.index(max(counts))] -= 1
        counts[i] = 1
    return counts


def _whole(shares: Sequence[float]) -> list[int]:
    """Whole numbers in exactly the proportions of the shares; ones where no share is positive."""
    ratios = [float(share).as_integer_ratio() for share in shares]
    scale = max((denominator for _, denominator in ratios), default=1)
    whole = [numerator * (scale // denominator) for numerator, denominator in ratios]
    return whole if any(whole) else [1] * len(whole)
