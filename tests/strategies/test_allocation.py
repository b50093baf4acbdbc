"""Allocation: total, exact, unbiased where it claims to be, and what the limits say."""

import math
from fractions import Fraction
from random import Random

import numpy as np
import pytest

from ponder.strategies.allocation import (
    GRAIN,
    equal_split,
    fallen,
    largest_remainder,
    resample,
    sequential_ceil,
    softmax,
)

SCHEMES = ("systematic", "stratified", "multinomial", "residual")
QUOTAS = [3.5, 1.61, 1.19, 0.7]


def rounded(budget, shares, rng):
    """The counts of every rule."""
    return {
        "largest_remainder": largest_remainder(budget, shares),
        "sequential_ceil": sequential_ceil(budget, sorted(shares, reverse=True)),
        **{scheme: resample(budget, shares, rng, scheme) for scheme in SCHEMES},
    }


class Pool:
    """Points of the grid, drawn all at once and handed out in turn, which is quicker than drawing few at a time."""

    def __init__(self, size: int) -> None:
        self._points, self._given = np.random.default_rng(0).integers(GRAIN, size=size), 0

    def integers(self, high: int, size: int | None = None) -> np.ndarray | np.int64:
        assert high == GRAIN
        start = self._given if self._given + (size or 1) <= len(self._points) else 0
        self._given = start + (1 if size is None else size)
        return self._points[start] if size is None else self._points[start : self._given]


@pytest.mark.parametrize("temperature", [0.02, 0.05, 0.1, 0.2, 1.0])
def test_every_rule_spends_the_budget_exactly(temperature) -> None:
    """20,000 draws a temperature, some on the scale of logits; in float32, some of these overspend or are NaN.

    Small ones are cheap; one in fifty has up to 64 nodes.
    """
    random, pool = Random(f"shares {temperature}"), Pool(500_000)
    for i in range(20_000):
        budget = random.randint(2, 6 if i % 50 else 64)
        scale = (1, 1, 20)[i % 3]
        scores = [random.random() * scale for _ in range(random.randint(1, min(budget, 4) if i % 50 else budget))]
        shares = softmax(scores, temperature)
        assert math.isclose(math.fsum(shares), 1.0)
        found = rounded(budget, shares, pool)
        assert [sum(counts) for counts in found.values()] == [budget] * len(found), found
        assert min(map(min, found.values())) >= 0, found


def test_logits_do_not_overflow() -> None:
    assert softmax([20.0, -3.0], 0.2) == (1.0, math.exp(-115) / (1 + math.exp(-115)))
    assert softmax([2e4, 1e4, -1e308], 0.02) == (1.0, 0.0, 0.0)
    assert largest_remainder(16, softmax([20.0, -3.0], 0.2)) == [16, 0]


def test_counts_are_less_than_one_away_from_their_quota() -> None:
    random, rng = Random(1), np.random.default_rng(1)
    for _ in range(1000):
        budget = random.randint(1, 64)
        shares = [random.random() ** 3 for _ in range(random.randint(1, 100))]
        total = sum(map(Fraction, shares))
        quotas = [budget * Fraction(share) / total for share in shares]
        for counts in (largest_remainder(budget, shares), resample(budget, shares, rng)):
            assert all(abs(count - quota) < 1 for count, quota in zip(counts, quotas, strict=True))
        whole = [math.floor(quota) for quota in quotas]
        residual = resample(budget, shares, rng, "residual")
        assert all(count >= floor for count, floor in zip(residual, whole, strict=True))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_resampling_is_unbiased(scheme) -> None:
    """The mean count of 10^5 draws is the quota, within 4 standard errors (.003 where systematic)."""
    rng, runs = np.random.default_rng(2), 100_000 if scheme == "systematic" else 20_000
    counts = np.array([resample(7, QUOTAS, rng, scheme) for _ in range(runs)])
    error = 0.003 if scheme == "systematic" else 4 * counts.std(axis=0) / math.sqrt(runs)
    assert np.all(abs(counts.mean(axis=0) - QUOTAS) <= error)


def test_equal_shares_are_resampled_as_they_are() -> None:
    rng = np.random.default_rng(3)
    for n in range(1, 65):
        for scheme in ("systematic", "stratified", "residual"):
            assert resample(n, [1 / n] * n, rng, scheme) == [1] * n


def test_a_point_at_the_very_end_falls_on_the_last_share_there_is() -> None:
    """Cumulative sums of 0.1 end below 1; a point past their end is nobody's in floating point."""
    shares = [0.1] * 10 + [0.0]
    widths = [int(share * 2**60) for share in shares]
    assert fallen([GRAIN - 1], widths, 1) == [0] * 9 + [1, 0]


def test_a_larger_share_never_gets_less() -> None:
    random = Random(4)
    for _ in range(500):
        shares = sorted((random.random() for _ in range(random.randint(1, 40))), reverse=True)
        counts = largest_remainder(random.randint(0, 64), shares)
        assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("nodes", [1, 2, 3, 7, 64, 200])
@pytest.mark.parametrize("budget", [0, 1, 5, 64])
def test_equal_scores_share_evenly_however_many_they_are(nodes, budget) -> None:
    """Rounding each quota by itself gives nothing to anyone where there are more than twice as many nodes."""
    shares = softmax([0.5] * nodes, 0.2)
    for counts in (largest_remainder(budget, shares), equal_split(budget, nodes), sequential_ceil(budget, shares)):
        assert sum(counts) == budget
        assert max(counts) - min(counts) <= 1
    assert largest_remainder(budget, shares) == equal_split(budget, nodes)


def test_the_limits_of_the_temperature() -> None:
    scores = [0.9, 0.1, 0.9, None, 0.5]
    assert softmax(scores, math.inf) == (0.25, 0.25, 0.25, 0.0, 0.25)
    assert softmax(scores, 0.0) == softmax(scores, 1e-300) == (0.5, 0.0, 0.5, 0.0, 0.0)
    assert largest_remainder(5, softmax(scores, 0.0)) == [3, 0, 2, 0, 0]
    assert largest_remainder(1, softmax([0.3, 0.4, 0.2], 0.2)) == [0, 1, 0]


def test_a_constant_added_to_all_scores_changes_nothing() -> None:
    random = Random(5)
    for _ in range(200):
        scores = [random.randint(0, 64) / 64 for _ in range(random.randint(1, 30))]
        assert softmax(scores, 0.2) == softmax([score + 3 for score in scores], 0.2)


def test_what_cannot_be_told_gets_nothing_unless_nothing_can() -> None:
    assert softmax([None, 0.1, math.nan, math.inf], 0.2) == (0.0, 1.0, 0.0, 0.0)
    assert softmax([None, math.nan], 0.2) == (0.5, 0.5)
    assert softmax([], 0.2) == ()
    rng = np.random.default_rng(6)
    for _ in range(300):
        counts = rounded(9, [0.0, 0.3, 0.0, 0.7, 0.0], rng)
        del counts["sequential_ceil"]
        assert all(found[0] == found[2] == found[4] == 0 for found in counts.values())
    assert largest_remainder(4, [0.0, 0.0]) == [2, 2]


def test_the_sequential_ceiling_favours_the_first() -> None:
    assert sequential_ceil(16, [0.34, 0.33, 0.33]) == [6, 5, 5]
    assert sequential_ceil(3, [0.5, 0.3, 0.1, 0.1]) == [2, 1, 0, 0]
    assert sequential_ceil(2, [0.4, 0.3, 0.3]) == [1, 1, 0]
