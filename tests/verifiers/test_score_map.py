"""Maps from scores to probabilities: they rise, they are data, and they say what a score came true."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ponder.orchestrator.errors import UsageError
from ponder.verifiers.reliability.score_map import IsotonicMap, PlattMap, ScoreMap

STEPS = IsotonicMap(scores=(0.2, 0.5, 0.8), chances=(0.1, 0.1, 0.9))
MAPS = (STEPS, PlattMap(slope=2.0, offset=-1.0), PlattMap(slope=0.5, offset=1.0, on="log_odds"))


@pytest.mark.parametrize(
    ("score", "chance"), [(-9, 0.1), (0.2, 0.1), (0.4, 0.1), (0.5, 0.1), (0.65, 0.5), (0.8, 0.9), (7, 0.9)]
)
def test_steps_are_straight_between_knots_and_level_beyond(score: float, chance: float) -> None:
    assert STEPS.chance(score) == pytest.approx(chance)


def test_one_knot_is_one_chance() -> None:
    assert [IsotonicMap(scores=(3.0,), chances=(0.4,)).chance(x) for x in (-1, 3, 9)] == [0.4] * 3


def test_the_line_acts_on_the_score_or_its_log_odds() -> None:
    assert PlattMap(slope=2.0, offset=-1.0).chance(0.5) == pytest.approx(0.5)
    assert PlattMap(slope=1.0, offset=0.0, on="log_odds").chance(0.37) == pytest.approx(0.37)
    halved = PlattMap(slope=0.5, offset=0.0, on="log_odds")
    assert halved.chance(0.8) == pytest.approx(2 / 3)
    assert 0 < halved.chance(0.0) < 1e-5 < 1 - 1e-5 < halved.chance(1.0) < 1
    assert halved.chance(1.5) is None


@pytest.mark.parametrize("found", MAPS, ids=lambda found: found.kind)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_maps_rise(found: ScoreMap, scores: list[float]) -> None:
    chances = [found.chance(score) for score in sorted(scores)]
    assert chances == sorted(chances)
    assert all(0 <= chance <= 1 for chance in chances)


@pytest.mark.parametrize("found", MAPS, ids=lambda found: found.kind)
def test_maps_are_data(found: ScoreMap) -> None:
    assert TypeAdapter(ScoreMap).validate_json(found.model_dump_json()) == found


def test_fits_find_how_often_a_score_comes_true_and_leave_out_what_is_untold() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(20_000)
    truth = 1 / (1 + np.exp(-(0.5 * np.log(scores / (1 - scores)) - 0.7)))
    outcomes = (rng.random(20_000) < truth).astype(float).tolist()
    told = [None if i % 5 == 0 else score for i, score in enumerate(scores.tolist())]
    line = PlattMap.fit(told, outcomes, on="log_odds")
    assert (line.slope, line.offset) == pytest.approx((0.5, -0.7), abs=0.06)
    steps = IsotonicMap.fit(told, outcomes)
    for score in (0.1, 0.5, 0.9):
        expected = 1 / (1 + math.exp(-(0.5 * math.log(score / (1 - score)) - 0.7)))
        assert line.chance(score) == pytest.approx(expected, abs=0.02)
        assert steps.chance(score) == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize(
    ("scores", "outcomes", "on", "rule"),
    [
        ([None], [1.0], "score", "at least one, got 0"),
        ([0.1, 0.2], [1.0], "score", "one outcome a score, got 2 and 1"),
        ([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 0.0, 0.0], "score", "must rise with the outcomes"),
        ([1.5], [1.0], "log_odds", "from 0 to 1 to have log-odds"),
        (["0.9"], [1.0], "score", "a score must be a number, got '0.9'; convert it"),
        ([0.9], [None], "score", "an outcome must be a number, got None; .* leave out what is not known"),
    ],
)
def test_what_cannot_be_fitted_is_refused(scores: list, outcomes: list, on: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        PlattMap.fit(scores, outcomes, on=on)


@pytest.mark.parametrize(
    ("scores", "chances", "rule"),
    [
        ((), (), "at least 1 item"),
        ((1.0,), (0.1, 0.2), "one chance a score, got 1 and 2"),
        ((2.0, 1.0), (0.1, 0.2), "scores must rise"),
        ((1.0, 1.0), (0.1, 0.2), "scores must rise"),
        ((1.0, 2.0), (0.2, 0.1), "chances must not fall"),
        ((math.inf,), (0.2,), "finite"),
        ((1.0,), (1.2,), "less than or equal to 1"),
    ],
)
def test_what_is_no_rising_map_is_refused(scores: tuple, chances: tuple, rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        IsotonicMap(scores=scores, chances=chances)
    with pytest.raises(ValidationError):
        PlattMap(slope=-1.0, offset=0.0)
