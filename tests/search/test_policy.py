"""Policies: kept and right where difficulty decides what is best, refused where it does not, their probes paid for."""

import itertools

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.search.policy import assign, bin_edges, choose_policy
from ponder.strategies import RouteByDifficulty, Sample, SelfConsistency
from ponder.verifiers import NumericMatch

ITEMS = 200
DIFFICULTY = np.linspace(0, 1, ITEMS)
IS_HARD = DIFFICULTY > 0.5


def constant(value):
    return np.full(ITEMS, float(value))


def two_worlds(rng):
    """Composition 0 is right on 90 % of the easy and 30 % of the hard, 1 the other way round, 2 on 55 % of all."""
    chances = np.array([np.where(IS_HARD, 0.3, 0.9), np.where(IS_HARD, 0.9, 0.3), constant(0.55)])
    return (rng.random(chances.shape) < chances).astype(float)


def costs_of(*costs):
    return np.array([constant(cost) for cost in costs])


def test_what_suits_easy_and_what_suits_hard_queries_are_told_apart():
    found = choose_policy(two_worlds(np.random.default_rng(0)), costs_of(8, 8, 8), DIFFICULTY, 2, level=10, bins=4)
    policy = found.policy
    assert policy.compositions == (0, 1)
    assert policy.thresholds == pytest.approx((0.5,))
    assert policy.cost == 10
    assert policy.gain.low > 0 and policy.gain.low <= 0.3 <= policy.gain.high
    assert policy.accuracy.low <= 0.9 <= policy.accuracy.high
    assert "gains +" in found.reason


def test_the_gain_is_estimated_without_bias():
    rng, gains, accuracies = np.random.default_rng(1), [], []
    for _ in range(60):
        policy = choose_policy(two_worlds(rng), costs_of(8, 8, 8), DIFFICULTY, 2, level=10, bins=4).policy
        gains.append(policy.gain.mean)
        accuracies.append(policy.accuracy.mean)
    assert np.mean(accuracies) == pytest.approx(0.9, abs=0.006)
    assert np.mean(gains) == pytest.approx(0.3, abs=0.015)  # two singles of 60 % each and one of 55 %


def test_what_easy_queries_save_is_spent_on_hard_ones():
    outcomes = np.array([np.where(IS_HARD, 0.2, 1.0), constant(1.0)])  # the cheap one is enough for easy queries
    policy = choose_policy(outcomes, costs_of(2, 10), DIFFICULTY, 1, level=7.5, bins=4).policy
    assert (policy.compositions, policy.single) == ((0, 1), 0)
    assert policy.cost == pytest.approx(7)
    assert policy.accuracy.mean == 1.0 and policy.gain.mean == pytest.approx(0.4)


def test_the_estimator_is_charged_to_every_item():
    outcomes = np.array([np.where(IS_HARD, 0.2, 1.0), constant(1.0)])
    dear = choose_policy(outcomes, costs_of(2, 10), DIFFICULTY, 5, level=7.5, bins=2)
    assert dear.policy is None and dear.gain.mean == 0  # 5 + (2 + 10) / 2 is more than 7.5
    broke = choose_policy(outcomes, costs_of(2, 10), DIFFICULTY, 6, level=7.5, bins=2)
    assert broke.policy is None and broke.gain is None and "estimator" in broke.reason
    uneven = np.where(IS_HARD, 2.0, 0.0)
    paid = choose_policy(outcomes, costs_of(2, 10), DIFFICULTY, uneven, level=7.5, bins=4).policy
    assert paid.cost == pytest.approx(7)


def test_one_composition_that_wins_everywhere_needs_no_policy():
    rng = np.random.default_rng(2)
    chances = np.array([1 - DIFFICULTY, 0.9 - 0.8 * DIFFICULTY, 0.5 - 0.4 * DIFFICULTY])
    found = choose_policy(
        (rng.random(chances.shape) < chances).astype(float), costs_of(8, 8, 8), DIFFICULTY, 1, level=9
    )
    assert found.policy is None and "no gain is certain" in found.reason
    assert found.gain.low <= 0


def test_a_false_policy_is_kept_at_most_one_time_in_twenty():
    rng, kept, worlds, items = np.random.default_rng(3), [0, 0], 500, 150
    for world in range(worlds):
        difficulty, best = rng.random(items), 0.1 * (world % 2)  # of equals, and of one that is best everywhere
        chances = 0.8 - 0.6 * difficulty + np.array([[0.0], [best]])
        outcomes = (rng.random((2, items)) < chances).astype(float)  # two only: where halves agree by chance most
        found = choose_policy(outcomes, np.ones((2, items)), difficulty, 0, level=1)
        kept[world % 2] += found.policy is not None
    assert max(kept) / (worlds / 2) <= 0.05


def test_the_policy_runs_as_a_strategy():
    policy = choose_policy(two_worlds(np.random.default_rng(0)), costs_of(8, 8, 8), DIFFICULTY, 2, level=10).policy
    parts = [Sample(n=8), SelfConsistency(n=8), Sample(n=1)]
    judge = NumericMatch()
    probed = policy.strategy(parts, verifier=judge, probe=Sample(n=2))
    assert probed.routes == (parts[0], parts[1]) and probed.probe.n == 2 and probed.thresholds == policy.thresholds
    stated = policy.strategy(parts, metadata="difficulty")
    assert RouteByDifficulty.model_validate(stated.model_dump()) == stated


def test_bins_are_quantiles_and_keep_equals_together():
    assert bin_edges(np.arange(40.0), 4) == (9.5, 19.5, 29.5)
    assert bin_edges([0.0] * 25 + [1.0] * 15, 4) == (0.5,)
    assert bin_edges([0.25] * 40, 4) == ()
    assert bin_edges(np.arange(19.0), 3) == ()
    assert bin_edges([0.0] * 20 + [np.nan] * 20, 2) == ()  # untold ones go to the last route, and no number parts them


def test_the_assignment_is_the_best_of_all():
    rng = np.random.default_rng(5)
    for _ in range(50):
        values, costs = rng.integers(0, 6, (4, 3)).astype(float), rng.integers(1, 6, (4, 3)).astype(float)
        allowance, columns = float(rng.integers(3, 16)), np.arange(3)
        fitting = [
            (values[rows, columns].sum(), -costs[rows, columns].sum())
            for rows in map(list, itertools.product(range(4), repeat=3))
            if costs[rows, columns].sum() <= allowance
        ]
        picked = assign(values, costs, allowance)
        if not fitting:
            assert picked is None
        else:
            assert (values[picked, columns].sum(), -costs[picked, columns].sum()) == max(fitting)


def test_what_cannot_be_a_policy_is_refused():
    outcomes, costs = np.zeros((2, 60)), np.ones((2, 60))
    same = choose_policy(outcomes, costs, np.zeros(60), 0, level=1)
    assert same.policy is None and "cannot be parted" in same.reason
    with pytest.raises(UsageError, match="at least 2 bins"):
        choose_policy(outcomes, costs, np.arange(60.0), 0, level=1, bins=1)
    with pytest.raises(UsageError, match="compositions by items"):
        choose_policy(outcomes, costs[:1], np.arange(60.0), 0, level=1)
    with pytest.raises(UsageError, match="without gaps"):
        choose_policy(np.full((2, 60), np.nan), costs, np.arange(60.0), 0, level=1)
