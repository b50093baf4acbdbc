"""How far a figure can be trusted: intervals over queries, paired comparisons, an exact test.

The query is the unit that is sampled: all draws and replicates of one query stand or fall together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import UsageError

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 20250101
FEW_ITEMS = 30
FEW_EVENTS = 5
FEW_DISCORDANT = 25
CHUNK = 1_000_000  # resampled values held at once

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the interval that holds the truth with the stated confidence; always low <= mean <= high."""

    mean: float
    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the same queries say about the accuracy of A less that of B.

    Args:
        interval: of the mean difference.
        items: queries both were measured on.
        is_tied: whether the data cannot tell them apart.
        p_value: of McNemar's exact test, where the outcomes are right or wrong and few differ.
    """

    interval: Interval
    items: int
    is_tied: bool
    p_value: float | None = None


def wilson(successes: float, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of a proportion (Wilson 1927); it never has width zero.

    Fractional successes are welcome: values in [0, 1] vary no more than coin flips of the same mean, so the
    interval is then wider than needed, never narrower.

    >>> found = wilson(8, 10)
    >>> round(found.low, 4), round(found.high, 4)
    (0.4902, 0.9433)

    Raises:
        UsageError: no trials, or successes outside 0 to `trials`.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise UsageError(f"successes must be between 0 and at least 1 trial, got {successes:g} of {trials}")
    z, p = _z(confidence), successes / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    reach = z / (1 + z * z / trials) * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return ordered(p, max(0.0, centre - reach), min(1.0, centre + reach))


def accuracy_interval(outcomes: Sequence[float | Sequence[float]] | Floats, confidence: float = CONFIDENCE) -> Interval:
    """The mean outcome over queries, each outcome in [0, 1] or a sequence of replicates of it.

    A bootstrap over queries, except where it would be overconfident: Wilson where nothing varies, where fewer than
    five queries' worth of outcomes are right or are wrong, and for right-or-wrong outcomes of under 30 queries.

    Raises:
        UsageError: no queries, or an outcome outside [0, 1].
    """
    values = item_means(outcomes)
    if values.min() < 0 or values.max() > 1:
        raise UsageError(f"outcomes must lie between 0 and 1, got {values.min():g} to {values.max():g}")
    total = float(values.sum())
    is_binary = bool(np.isin(values, (0.0, 1.0)).all())
    is_extreme = min(total, len(values) - total) < FEW_EVENTS
    if is_extreme or np.ptp(values) == 0 or (is_binary and len(values) < FEW_ITEMS):
        return wilson(min(total, len(values)), len(values), confidence)
    return bootstrap(values, confidence)


def bootstrap(
    outcomes: Sequence[float | Sequence[float]] | Floats,
    confidence: float = CONFIDENCE,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """The percentile interval of the mean over resampled queries, replicates of a query together.

    Percentiles are widened as Hesterberg (2015, section 5.3) proposes, so that few queries are not overconfident.
    The resamples depend on `seed` and the number of queries alone. Width zero where nothing varies: prefer
    `accuracy_interval` or `compare`, which know better.

    Raises:
        UsageError: no queries.
    """
    values = item_means(outcomes)
    count = len(values)
    if count == 1:
        return Interval(float(values[0]), float(values[0]), float(values[0]))
    tail = tail_of(count, confidence)
    low, high = np.quantile(_resampled_means(values, resamples, seed), (tail, 1 - tail))
    return ordered(float(values.mean()), float(low), float(high))


def tail_of(count: int, confidence: float = CONFIDENCE) -> float:
    """The share of resamples of `count` queries beyond each end of a percentile interval, widened as in `bootstrap`."""
    if count < 2:
        return 0.0
    return NormalDist().cdf(-math.sqrt(count / (count - 1)) * _t(confidence, count - 1))


@lru_cache(maxsize=8)
def resampled(count: int, size: int | None = None, *, resamples: int = RESAMPLES, seed: int = SEED) -> Floats:
    """The share of each of `count` queries in samples of `size` of them with replacement, one sample a row.

    With it any statistic of weighted queries is resampled at once.
    """
    size = size or count
    shares = np.random.default_rng(seed).multinomial(size, np.full(count, 1 / count), resamples) / size
    shares.flags.writeable = False
    return shares


def mcnemar(only_a: int, only_b: int) -> float:
    """The two-sided exact p-value of McNemar (1947): `only_a` queries only A got right, `only_b` only B.

    >>> mcnemar(1, 8)
    0.0390625
    """
    if only_a < 0 or only_b < 0:
        raise UsageError(f"discordant counts must be at least 0, got {only_a} and {only_b}")
    trials = only_a + only_b
    tail = sum(math.comb(trials, i) for i in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / (1 << trials))


def compare(
    a: Sequence[float | Sequence[float]] | Floats,
    b: Sequence[float | Sequence[float]] | Floats,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """A less B, query by query; the two must hold the same queries in the same order.

    They differ where the interval of the difference leaves out 0 and, with right-or-wrong outcomes of which under 25
    differ, McNemar's exact test agrees; with other outcomes, where enough queries differ at all for the exact
    sign-flip test to be able to agree (6 at 95 %). Where no difference varies, the interval still allows for the
    queries that were not seen.

    Raises:
        UsageError: the lengths differ, or there are no queries.
    """
    left, right = item_means(a), item_means(b)
    if len(left) != len(right):
        raise UsageError(f"a pair must hold the same queries, got {len(left)} and {len(right)}; compare those in both")
    gaps = left - right
    interval = bootstrap(gaps, confidence) if np.ptp(gaps) else _unseen(float(gaps[0]), len(gaps), confidence)
    is_tied = interval.low <= 0 <= interval.high
    discordant = int(np.count_nonzero(gaps))
    if np.isin(np.concatenate((left, right)), (0.0, 1.0)).all() and discordant < FEW_DISCORDANT:
        p_value = mcnemar(int((gaps > 0).sum()), int((gaps < 0).sum()))
        return Comparison(interval, len(gaps), is_tied or p_value > 1 - confidence, p_value)
    return Comparison(interval, len(gaps), is_tied or 2 * 0.5**discordant > 1 - confidence)


def item_means(outcomes: Sequence[float | Sequence[float]] | ArrayLike) -> Floats:
    """One value a query: the outcome, or the mean of its replicates.

    Raises:
        UsageError: no queries, a query without outcomes, or one that is no finite number.
    """
    rows = list(outcomes) if isinstance(outcomes, Sequence | np.ndarray) else []
    if not rows or any(np.size(row) == 0 for row in rows):
        raise UsageError("an interval needs at least one query, each with an outcome, got none; leave empty ones out")
    values = np.array([float(np.mean(row)) for row in rows])
    if not np.isfinite(values).all():
        raise UsageError("outcomes must be finite numbers, got one that is not; a failed query counts as 0")
    return values


def _resampled_means(values: Floats, resamples: int, seed: int) -> Floats:
    count = len(values)
    if resamples * count <= CHUNK:
        means: Floats = values[_resample(count, resamples, seed)].mean(axis=1)
        return means
    rng, rows = np.random.default_rng(seed), max(1, CHUNK // count)
    sizes = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    return np.concatenate([values[rng.integers(0, count, (size, count))].mean(axis=1) for size in sizes])


@lru_cache(maxsize=8)
def _resample(count: int, resamples: int, seed: int) -> NDArray[np.intp]:
    return np.random.default_rng(seed).integers(0, count, (resamples, count), dtype=np.intp)


def _unseen(gap: float, items: int, confidence: float) -> Interval:
    """The interval of a difference that is the same on all queries seen, allowing for the share that may differ."""
    share = wilson(0, items, confidence).high
    return ordered(gap, gap - share * (1 + gap), gap + share * (1 - gap))


def ordered(mean: float, low: float, high: float) -> Interval:
    """The interval of the three, widened where it does not hold the mean."""
    return Interval(mean, min(low, mean), max(high, mean))


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must be between 0 and 1, got {confidence!r}; 0.95 is usual")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _t(confidence: float, freedom: int) -> float:
    """The quantile of Student's t by its expansion in 1/freedom (Abramowitz and Stegun 26.7.5)."""
    z = _z(confidence)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / float(freedom) ** (power + 1) for power, term in enumerate(terms))
