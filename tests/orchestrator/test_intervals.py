"""Intervals and comparisons: known values, edge cases, and coverage by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.intervals import (
    Interval,
    accuracy_interval,
    bootstrap,
    compare,
    item_means,
    mcnemar,
    resampled,
    tail_of,
    wilson,
)

ROUNDS = 600


def coverage_of(interval, draw, truth, items):
    held = sum(found.low <= truth <= found.high for found in (interval(draw(items)) for _ in range(ROUNDS)))
    return held / ROUNDS


class TestWilson:
    @pytest.mark.parametrize(
        ("successes", "trials", "low", "high"),
        [(8, 10, 0.490, 0.943), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (1, 1, 0.207, 1.0), (81, 263, 0.255, 0.366)],
    )
    def test_known_values(self, successes, trials, low, high):
        found = wilson(successes, trials)
        assert (found.low, found.high) == pytest.approx((low, high), abs=6e-4)

    @given(st.integers(1, 500), st.floats(0, 1))
    def test_holds_its_mean_and_has_width(self, trials, share):
        found = wilson(share * trials, trials)
        assert 0 <= found.low <= found.mean <= found.high <= 1
        assert found.low < found.high

    @pytest.mark.parametrize(("successes", "trials"), [(1, 0), (3, 2), (-1, 2), (math.nan, 2)])
    def test_refuses_what_is_no_proportion(self, successes, trials):
        with pytest.raises(UsageError, match="successes must be"):
            wilson(successes, trials)

    @pytest.mark.parametrize("confidence", [0, 1, 95])
    def test_refuses_a_confidence_out_of_range(self, confidence):
        with pytest.raises(UsageError, match="between 0 and 1"):
            wilson(1, 2, confidence)


class TestAccuracyInterval:
    @pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
    def test_no_variance_is_not_certainty(self, value):
        assert accuracy_interval([value] * 40) == wilson(value * 40, 40)

    def test_a_single_query(self):
        assert accuracy_interval([1.0]) == wilson(1, 1)
        assert accuracy_interval([[1.0, 0.0]]) == wilson(0.5, 1)

    def test_few_right_or_wrong_queries_are_wilsons(self):
        outcomes = [1.0] * 14 + [0.0] * 6
        assert accuracy_interval(outcomes) == wilson(14, 20)

    def test_nearly_all_right_is_not_certainty_either(self):
        outcomes = [1.0] * 99 + [0.97]
        assert accuracy_interval(outcomes).low < 0.97

    def test_many_queries_are_bootstrapped(self):
        outcomes = [1.0] * 70 + [0.0] * 30
        assert accuracy_interval(outcomes) == bootstrap(outcomes)

    def test_replicates_of_a_query_stay_together(self):
        rng = np.random.default_rng(0)
        base = rng.random(60)
        replicated = [[value] * 20 for value in base]
        assert accuracy_interval(replicated).low == pytest.approx(accuracy_interval(base).low)

    def test_the_same_every_time(self):
        values = np.random.default_rng(0).random(50)
        assert accuracy_interval(values) == accuracy_interval(values.copy())

    @pytest.mark.parametrize("bad", [[], [[]], [0.5, math.nan], [1.5], [-0.1, 0.5]])
    def test_refuses_what_are_no_outcomes(self, bad):
        with pytest.raises(UsageError):
            accuracy_interval(bad)

    @pytest.mark.parametrize(
        ("name", "draw", "truth"),
        [
            ("u-shaped", lambda rng, n: rng.beta(0.4, 0.6, n), 0.4),
            ("skewed", lambda rng, n: rng.beta(2, 1, n), 2 / 3),
            ("right or wrong", lambda rng, n: (rng.random(n) < 0.7).astype(float), 0.7),
        ],
    )
    @pytest.mark.parametrize("items", [60, 120])
    def test_covers_the_truth_in_93_to_97_percent(self, name, draw, truth, items):
        rng = np.random.default_rng([len(name), items])
        assert 0.93 <= coverage_of(accuracy_interval, lambda n: draw(rng, n), truth, items) <= 0.97

    def test_covers_at_the_edge_where_a_plain_bootstrap_does_not(self):
        rng = np.random.default_rng(5)

        def draw(items):
            return (rng.random(items) < 0.985).astype(float)

        assert coverage_of(accuracy_interval, draw, 0.985, 100) >= 0.93
        assert coverage_of(bootstrap, draw, 0.985, 100) < 0.90


class TestBootstrap:
    def test_large_inputs_give_the_normal_interval(self):
        values = np.random.default_rng(0).random(5000)
        found = bootstrap(values)
        reach = 1.96 * values.std() / math.sqrt(5000)
        assert (found.low, found.high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=5e-4)

    def test_few_queries_are_wider_than_the_plain_percentiles(self):
        values = np.random.default_rng(0).random(8)
        found = bootstrap(values)
        plain = np.random.default_rng(1).choice(values, (20_000, 8)).mean(axis=1)
        assert found.high - found.low > np.quantile(plain, 0.975) - np.quantile(plain, 0.025)


class TestResampled:
    def test_rows_are_shares_of_samples_with_replacement(self):
        shares = resampled(5, 20, resamples=4000)
        assert shares.shape == (4000, 5)
        assert shares.sum(axis=1) == pytest.approx(np.ones(4000))
        assert set(np.unique(shares * 20).round(9)) <= set(range(21))
        assert shares.mean(axis=0) == pytest.approx([0.2] * 5, abs=0.01)
        assert shares.std(axis=0) == pytest.approx([math.sqrt(0.2 * 0.8 / 20)] * 5, rel=0.05)

    def test_with_it_the_mean_has_the_interval_of_the_bootstrap(self):
        values = np.random.default_rng(0).random(40)
        tail = tail_of(40)
        low, high = np.quantile(resampled(40) @ values, (tail, 1 - tail))
        found = bootstrap(values)
        assert (low, high) == pytest.approx((found.low, found.high), abs=0.01)

    def test_few_queries_have_thinner_tails_left_out(self):
        assert tail_of(1) == 0 < tail_of(3) < tail_of(10) < tail_of(10_000) < 0.025
        assert tail_of(10_000) == pytest.approx(0.025, abs=1e-4)
        assert tail_of(50, 0.5) == pytest.approx(0.25, abs=0.01)


class TestMcNemar:
    @pytest.mark.parametrize(
        ("b", "c", "p"), [(0, 0, 1.0), (1, 8, 10 / 256), (0, 5, 2 / 32), (5, 5, 1.0), (0, 6, 2 / 64)]
    )
    def test_known_values(self, b, c, p):
        assert mcnemar(b, c) == mcnemar(c, b) == pytest.approx(p)

    def test_thousands_of_discordant_queries(self):
        assert 0 < mcnemar(1900, 2100) < 0.01

    def test_refuses_negative_counts(self):
        with pytest.raises(UsageError):
            mcnemar(-1, 2)


class TestCompare:
    def test_identical_configurations_are_tied_but_not_certain(self):
        values = np.random.default_rng(0).random(50)
        found = compare(values, values)
        assert found.is_tied and found.interval.mean == 0
        assert found.interval.low < 0 < found.interval.high

    def test_a_constant_gap_differs_and_allows_for_the_unseen(self):
        found = compare([1.0] * 20, [0.0] * 20)
        assert not found.is_tied and found.p_value == mcnemar(20, 0)
        assert found.interval.high == 1 and 0.6 < found.interval.low < 1

    def test_a_single_query_tells_nothing(self):
        assert compare([1.0], [0.0]).is_tied
        assert compare([0.7], [0.2]).is_tied

    def test_few_discordant_queries_tell_nothing_whatever_the_bootstrap_says(self):
        a, b = [1.0] * 4 + [0.0] * 96, [0.0] * 100
        assert compare(a, b).interval.low > 0
        assert compare(a, b).is_tied and compare(a, b).p_value == pytest.approx(0.125)
        fractional = compare([0.9] * 5 + [0.3] * 95, [0.1] * 5 + [0.3] * 95)
        assert fractional.is_tied and fractional.p_value is None

    def test_pairing_sees_what_overlapping_intervals_hide(self):
        rng = np.random.default_rng(2)
        base = rng.random(100) * 0.9
        better = base + 0.05 + rng.normal(0, 0.02, 100).clip(-0.05, 0.05)
        assert accuracy_interval(base).overlaps(accuracy_interval(better))
        assert not compare(better, base).is_tied

    def test_is_antisymmetric(self):
        rng = np.random.default_rng(4)
        a, b = rng.random(60), rng.random(60)
        there, back = compare(a, b).interval, compare(b, a).interval
        assert there.mean == pytest.approx(-back.mean)
        assert there.low == pytest.approx(-back.high, abs=0.01)

    def test_refuses_unpaired_queries(self):
        with pytest.raises(UsageError, match="same queries, got 2 and 3"):
            compare([1, 0], [1, 0, 1])

    def test_covers_the_difference_in_93_to_97_percent(self):
        rng = np.random.default_rng(11)
        skill = rng.beta(1, 1, 1_000_000)
        truth = float((skill - np.clip(skill + 0.05, 0, 1)).mean())

        def pair(items):
            skill = rng.beta(1, 1, items)
            return rng.binomial(4, skill) / 4, rng.binomial(4, np.clip(skill + 0.05, 0, 1)) / 4

        held = sum(i.low <= truth <= i.high for i in (compare(*pair(100)).interval for _ in range(ROUNDS)))
        assert 0.93 <= held / ROUNDS <= 0.97

    def test_calls_equals_different_in_at_most_5_percent(self):
        rng = np.random.default_rng(12)
        differ = 0
        for _ in range(ROUNDS):
            skill = rng.beta(1, 1, 60)
            differ += not compare((rng.random(60) < skill) * 1.0, (rng.random(60) < skill) * 1.0).is_tied
        assert differ / ROUNDS <= 0.06


def test_item_means_average_replicates():
    assert item_means([[1, 0], 0.25, (1, 1, 0, 0)]).tolist() == [0.5, 0.25, 0.5]


def test_overlap_is_of_closed_intervals():
    assert Interval(0.1, 0.0, 0.2).overlaps(Interval(0.3, 0.2, 0.4))
    assert not Interval(0.1, 0.0, 0.2).overlaps(Interval(0.3, 0.21, 0.4))
