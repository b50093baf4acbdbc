"""Judged pools: the mean over all orders of the pool, by enumeration, and without bias."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.orchestrator.errors import UsageError
from ponder.verifiers.reliability import JudgedPool, ResamplingLaw

counts = st.tuples(*[st.integers(0, 2)] * 6).filter(lambda found: 0 < sum(found) <= 6)


@settings(deadline=None, max_examples=60)
@given(counts, st.data())
def test_it_is_the_mean_over_all_orders(found: tuple[int, ...], data: st.DataObject) -> None:
    """What drawing until the first accepted gives in each order, as permutations of the pool would approach it."""
    pool, size = JudgedPool(*found), sum(found)
    tries = data.draw(st.integers(1, size))
    said = [kind for kind, count in zip("RW....", found, strict=True) for _ in range(count)]
    right, wrong, draws = [], [], []
    for order in itertools.permutations(said):
        first = next((i for i, each in enumerate(order[:tries]) if each != "."), None)
        right.append(first is not None and order[first] == "R")
        wrong.append(first is not None and order[first] == "W")
        draws.append(tries if first is None else first + 1)
    assert pool.right(tries) == pytest.approx(np.mean(right))
    assert pool.wrong(tries) == pytest.approx(np.mean(wrong))
    assert pool.draws(tries) == pytest.approx(np.mean(draws))


@pytest.mark.parametrize("tries", [1, 3, 6])
def test_it_is_unbiased_where_plugging_in_is_not(tries: int) -> None:
    """The mean over pools of six draws is the law of the task; the law of the shares that a pool shows is not."""
    law = ResamplingLaw(correct=0.3, accepts_correct=0.8, accepts_wrong=0.1)
    chances = [law.accepted_right, law.accepted_wrong, 0.3 * 0.2, 0.7 * 0.9]
    drawn = np.random.default_rng(tries).multinomial(6, chances, 20_000)
    kinds, times = np.unique(drawn, axis=0, return_counts=True)
    found = np.array([(pool.right(tries), pool.draws(tries)) for pool in (JudgedPool(*kind) for kind in kinds)])
    plugged = np.array([_plugged(*kind, tries=tries) for kind in kinds])
    weights = times / times.sum()
    for unbiased, expected in zip(
        (found[:, 0], found[:, 1]), (law.accuracy(tries, 0.0), law.draws(tries)), strict=True
    ):
        mean = weights @ unbiased
        error = math.sqrt(weights @ (unbiased - mean) ** 2 / 20_000)
        assert abs(mean - expected) <= 4 * error + 1e-12
    if tries > 1:
        assert abs(weights @ plugged - law.accuracy(tries, 0.0)) > 0.02


def _plugged(right: int, wrong: int, *rejected: int, tries: int) -> float:
    size = right + wrong + sum(rejected)
    return right / size * sum((sum(rejected) / size) ** k for k in range(tries))


def test_several_numbers_of_attempts_at_once_are_each_by_itself() -> None:
    pool = JudgedPool(3, 2, 1, 9, 1, 1)
    table = pool.first_accepted((1, 5, 17))
    for row, tries in zip(table, (1, 5, 17), strict=True):
        assert row.tolist() == [pool.right(tries), pool.wrong(tries), pool.draws(tries)]


def test_all_draws_are_always_answered_where_one_is_accepted() -> None:
    assert JudgedPool(3, 1, 0, 100).right(104) == pytest.approx(0.75)
    assert JudgedPool(0, 0, 2, 3).first_accepted((5,))[0].tolist() == [0, 0, 5]


def test_long_pools_neither_overflow_nor_go_below_none() -> None:
    pool = JudgedPool(1, 1, 0, 100_000)
    assert pool.right(50_000) == pytest.approx(0.375, abs=1e-4)
    assert pool.right(100_002) == 0.5


@pytest.mark.parametrize("tries", [0, 7, -1])
def test_more_attempts_than_draws_are_refused_not_clamped(tries: int) -> None:
    with pytest.raises(UsageError, match="between 1 and the pool's 6 draws, got"):
        JudgedPool(1, 1, 2, 2).right(tries)


@pytest.mark.parametrize("found", [(0, 0, 0, 0), (1, -1, 0, 2)])
def test_what_is_no_pool_is_refused(found: tuple[int, int, int, int]) -> None:
    with pytest.raises(UsageError, match="must count a draw, and none below 0"):
        JudgedPool(*found)
