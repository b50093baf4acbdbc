"""Calibrated quantiles: exact values, ties, absolute scores, and what a sample must be."""

import math

import pytest
from columns import Column, columns, combined, scored, values
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ponder.orchestrator.errors import UsageError
from ponder.verifiers import QuantileEnsemble, RankEnsemble
from ponder.verifiers.quantile_ensemble import quantile

SAMPLES = ((0.1, 0.2, 0.2, 0.9), (-5.0, 5.0))
TWO = QuantileEnsemble(members=columns(2), knots=SAMPLES)
numbers = st.floats(-100, 100)
samples = st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("value", "share"), [(0.0, 0.0), (0.1, 0.125), (0.15, 0.25), (0.2, 0.5), (0.5, 0.75), (0.9, 0.875), (1.0, 1.0)]
)
def test_a_quantile_is_the_share_below_and_half_of_the_ties(value: float, share: float) -> None:
    assert quantile(value, SAMPLES[0]) == share


def test_values() -> None:
    (score,) = scored(TWO, (0.2, 9.0))
    assert (score.value, score.scale, score.detail) == (0.75, "reward", "")
    assert values(TWO, (0.0, -5.0), (1.0, 6.0), (0.5, 0.0)) == [0.125, 1.0, 0.625]
    weighted = QuantileEnsemble(members=columns(2), knots=SAMPLES, weights=(3, 1))
    assert values(weighted, (0.2, 9.0)) == [0.625]
    second = QuantileEnsemble(members=columns(2), knots=SAMPLES, weights=(0, 1))
    assert values(second, (0.2, -5.0)) == [0.25]


def test_members_that_cannot_tell() -> None:
    assert values(TWO, (None, 9.0), (0.2, None)) == [None, None]
    skips = QuantileEnsemble(members=columns(2), knots=SAMPLES, missing="skip")
    assert values(skips, (None, 9.0), (0.2, None), (None, None)) == [1.0, 0.5, None]


@given(samples, st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=5))
def test_maps_that_rise_change_nothing_where_the_sample_rises_too(sample: list[float], scores: list[float]) -> None:
    def risen(value: float) -> float:
        return math.atan(value) * 7 + 1

    plain = QuantileEnsemble.fit(columns(1), [sample])
    mapped = QuantileEnsemble.fit(columns(1), [[*map(risen, sample)]])
    assert combined(plain, *((score,) for score in scores)) == combined(mapped, *((risen(score),) for score in scores))


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5))
def test_a_score_does_not_depend_on_the_company(rows: list[tuple[float, float]]) -> None:
    assert combined(TWO, *rows) == [combined(TWO, row)[0] for row in rows]


@given(samples)
def test_a_sample_is_spread_evenly_around_one_half(sample: list[float]) -> None:
    knots = QuantileEnsemble.fit(columns(1), [sample]).knots[0]
    assert list(knots) == sorted(sample)
    assert sum(quantile(value, knots) for value in sample) / len(sample) == pytest.approx(0.5)


def test_a_large_sample_is_thinned_evenly() -> None:
    sample = [float(value) for value in range(100_000)]
    (knots,) = QuantileEnsemble.fit(columns(1), [sample[::-1]]).knots
    assert len(knots) == 200
    assert knots[:2] == (250.0, 750.0)
    assert max(abs(quantile(value, knots) - (value + 0.5) / 100_000) for value in sample[::37]) <= 1 / 400


def test_what_was_not_told_is_left_out_of_the_sample() -> None:
    assert QuantileEnsemble.fit(columns(1), [[2.0, None, 1.0]]).knots == ((1.0, 2.0),)
    assert QuantileEnsemble.fit(columns(1), [[1.0]], missing="skip", weights=(2.0,)).missing == "skip"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([[1.0]], "one sample a member, got 1 for 2"),
        ([[1.0], []], "must hold finite scores, one at least"),
        ([[1.0], [None]], "must hold finite scores"),
        ([[1.0], [math.nan]], "must hold finite scores"),
        ([[1.0], [math.inf]], "must hold finite scores"),
    ],
)
def test_what_is_no_sample_is_refused(given: list[list[float | None]], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        QuantileEnsemble.fit(columns(2), given)


@pytest.mark.parametrize(
    ("knobs", "problem"),
    [
        ({"knots": ((1.0,),)}, "knots must be given for each of the 2 members, got 1"),
        ({"knots": ((1.0,), ())}, "at least 1 item"),
        ({"knots": ((1.0,), (2.0, 1.0))}, "knots must be in ascending order"),
        ({"knots": ((1.0,), (math.nan,))}, "finite"),
    ],
)
def test_bad_knots_are_refused(knobs: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        QuantileEnsemble(members=columns(2), **knobs)


@pytest.mark.parametrize("member", [RankEnsemble(members=columns(1)), Column(relative=True)])
def test_relative_members_are_refused(member: Column) -> None:
    with pytest.raises(ValidationError, match="members must score each candidate by itself, but"):
        QuantileEnsemble(members=(member,), knots=((0.5,),))
