"""Pool adjacent violators: by hand, against scikit-learn, and its edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from ponder.orchestrator.errors import UsageError
from ponder.verifiers.reliability import fit_isotonic


@pytest.mark.parametrize(
    ("scores", "outcomes", "knots", "values"),
    [
        ([1.0], [1.0], (1.0,), (1.0,)),
        ([1, 2, 3], [0, 0.5, 1], (1, 2, 3), (0, 0.5, 1)),
        ([3, 2, 1], [0, 0, 1], (1, 3), (1 / 3, 1 / 3)),
        ([1, 2, 3, 4], [1, 0, 1, 0], (1, 4), (0.5, 0.5)),
        ([1, 2, 3, 4, 5, 6], [0, 1, 0, 0, 1, 1], (1, 2, 4, 5, 6), (0, 1 / 3, 1 / 3, 1, 1)),
        ([0.5, 0.5, 0.9], [1, 0, 1], (0.5, 0.9), (0.5, 1)),
        ([0.2, 0.5, 0.5, 0.5], [1, 1, 0, 0], (0.2, 0.5), (0.5, 0.5)),
    ],
)
def test_by_hand(scores: list[float], outcomes: list[float], knots: tuple, values: tuple) -> None:
    found = fit_isotonic(scores, outcomes)
    assert found[0] == knots
    assert found[1] == pytest.approx(values)


@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from([0.0, 0.25, 1.0])), min_size=2, max_size=40))
def test_it_is_scikit_learns(pairs: list[tuple[int, float]]) -> None:
    scores, outcomes = np.array(pairs, float).T
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, outcomes)
    knots, values = fit_isotonic(scores.tolist(), outcomes.tolist())
    at = np.linspace(-1, 13, 57)
    assert np.interp(at, knots, values) == pytest.approx(theirs.predict(at), abs=1e-9)
    assert (np.diff(knots) > 0).all() and (np.diff(values) >= 0).all()


def test_it_finds_any_shape_that_rises() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(40_000)
    truth = 0.2 + 0.6 * (scores > 0.3)
    knots, values = fit_isotonic(scores.tolist(), (rng.random(40_000) < truth).astype(float).tolist())
    assert np.interp([0.1, 0.25, 0.35, 0.8], knots, values) == pytest.approx([0.2, 0.2, 0.8, 0.8], abs=0.03)


@pytest.mark.parametrize(
    ("scores", "outcomes", "rule"),
    [
        ([], [], "at least one, got 0 and 0"),
        ([1.0], [1.0, 0.0], "one outcome a score"),
        ([math.inf], [1.0], "scores must be finite"),
        ([1.0], [1.5], "outcomes from 0 to 1"),
        ([1.0], [math.nan], "outcomes from 0 to 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused(scores: list[float], outcomes: list[float], rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        fit_isotonic(scores, outcomes)
