"""Step scores become one score by the published rules, exactly."""

import math
from itertools import permutations
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.verifiers.rewards.aggregate import Aggregate, aggregate

RULES = get_args(Aggregate)
unit = st.floats(0, 1)


@pytest.mark.parametrize(
    ("how", "expected"),
    [("last", 0.25), ("min", 0.25), ("product", 0.0625), ("mean", 1.25 / 3), ("geometric_mean", 0.0625 ** (1 / 3))],
)
def test_exact_values(how: Aggregate, expected: float) -> None:
    assert aggregate([0.5, 0.5, 0.25], how) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("how", RULES)
@pytest.mark.parametrize("steps", [[], [math.nan], [0.5, math.inf], [-math.inf, 0.5], [math.nan, 0.5]])
def test_nothing_finite_to_aggregate_is_none(how: Aggregate, steps: list[float]) -> None:
    assert aggregate(steps, how) is None


@pytest.mark.parametrize("how", RULES)
@given(value=unit)
def test_one_step_is_its_own_aggregate(how: Aggregate, value: float) -> None:
    assert aggregate([value], how) == value


@given(st.lists(unit, min_size=1, max_size=40))
def test_order_of_the_rules(steps: list[float]) -> None:
    product, least, geometric, mean = (aggregate(steps, how) for how in ("product", "min", "geometric_mean", "mean"))
    assert None not in (product, least, geometric, mean)
    assert product <= least <= geometric <= mean <= max(steps)


@pytest.mark.parametrize("how", [how for how in RULES if how != "last"])
@given(steps=st.lists(unit, min_size=1, max_size=5))
def test_the_order_of_steps_does_not_matter(how: Aggregate, steps: list[float]) -> None:
    assert {aggregate(order, how) for order in permutations(steps)} == {aggregate(steps, how)}


def test_a_wrong_step_makes_product_and_geometric_mean_zero() -> None:
    assert aggregate([1.0, 0.0, 1.0], "product") == aggregate([1.0, 0.0, 1.0], "geometric_mean") == 0.0


def test_negative_rewards_have_no_geometric_mean() -> None:
    assert aggregate([-1.0, 2.0], "geometric_mean") is None
    assert aggregate([-1.0, 2.0], "mean") == 0.5
