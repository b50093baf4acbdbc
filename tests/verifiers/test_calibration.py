"""Calibration: by hand, bins that part nothing equal, and a floor that is what honest probabilities show."""

import math

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.verifiers.reliability.calibration import Bin, calibration


def test_by_hand() -> None:
    found = calibration([0.1, 0.3, 0.6, 0.8], [0, 1, 0, 1], bins=2)
    assert found.brier == pytest.approx((0.01 + 0.49 + 0.36 + 0.04) / 4)
    assert found.bins == (Bin(pytest.approx(0.2), 0.5, 2), Bin(pytest.approx(0.7), 0.5, 2))
    assert found.ece == pytest.approx((0.3 + 0.2) / 2)


def test_equal_probabilities_are_never_parted() -> None:
    found = calibration([0.5] * 7 + [0.2, 0.9], [1] * 4 + [0] * 5, bins=4)
    assert [(each.said, each.count) for each in found.bins] == [(0.2 / 8 + 3.5 / 8, 8), (0.9, 1)]
    certain = calibration([1.0] * 5, [1, 1, 1, 1, 0])
    assert (certain.ece, certain.floor, len(certain.bins)) == (pytest.approx(0.2), 0.0, 1)


def test_fewer_outcomes_than_bins_have_a_bin_each() -> None:
    assert [each.count for each in calibration([0.3, 0.1, 0.2], [0, 0, 1], bins=10).bins] == [1, 1, 1]


def test_bins_hold_as_many_as_can_be() -> None:
    chances = np.random.default_rng(0).random(1003)
    assert {each.count for each in calibration(chances.tolist(), [1.0] * 1003).bins} == {100, 101}


@pytest.mark.parametrize("count", [100, 1000])
def test_honest_probabilities_show_an_error_near_the_floor(count: int) -> None:
    rng = np.random.default_rng(count)
    errors, floors = [], []
    for _ in range(400):
        chances = rng.random(count)
        found = calibration(chances.tolist(), (rng.random(count) < chances).astype(float).tolist())
        errors.append(found.ece)
        floors.append(found.floor)
    assert np.mean(errors) == pytest.approx(np.mean(floors), rel=0.1)
    assert np.mean(errors) > 0.5 / math.sqrt(count)


def test_probabilities_that_are_too_sure_are_found_out() -> None:
    rng = np.random.default_rng(1)
    chances = rng.random(2000)
    outcomes = (rng.random(2000) < 0.5 + 0.4 * (chances - 0.5)).astype(float)
    found = calibration(chances.tolist(), outcomes.tolist())
    assert found.ece == pytest.approx(0.15, abs=0.03)
    assert found.ece > 3 * found.floor


@pytest.mark.parametrize(
    ("chances", "outcomes", "bins", "rule"),
    [
        ([], [], 10, "at least one"),
        ([0.5], [1, 0], 10, "got 2 for 1"),
        ([0.5], [1], 0, "0 bins"),
        ([1.5], [1], 10, "map scores to them"),
        ([0.5], [math.nan], 10, "must be from 0 to 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(chances: list, outcomes: list, bins: int, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        calibration(chances, outcomes, bins)
