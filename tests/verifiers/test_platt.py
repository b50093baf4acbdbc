"""Platt's line: it finds the one that made the outcomes, and stays finite where none does."""

import math
from random import Random

import pytest

from ponder.orchestrator.errors import UsageError
from ponder.verifiers import fit_platt
from ponder.verifiers.reliability.platt import sigmoid


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.5, -1.0), (2.0, 3.0), (-1.0, 0.5)])
def test_it_finds_the_line_that_made_the_outcomes(slope: float, offset: float) -> None:
    random = Random(0)
    logits = [random.gauss(0, 2) for _ in range(20_000)]
    found = fit_platt(logits, [float(random.random() < sigmoid(slope * x + offset)) for x in logits])
    assert found == pytest.approx((slope, offset), abs=0.08)
    shares = fit_platt(logits, [sigmoid(slope * x + offset) for x in logits])
    assert shares == pytest.approx((slope, offset), abs=0.01)


def test_its_gradient_is_zero() -> None:
    logits, outcomes = [-3.0, -1.0, 0.0, 0.5, 2.0, 4.0], [0.0, 0.0, 1.0, 0.0, 1.0, 1.0]
    slope, offset = fit_platt(logits, outcomes)
    targets = [4 / 5 if outcome else 1 / 5 for outcome in outcomes]
    errors = [sigmoid(slope * x + offset) - t for x, t in zip(logits, targets, strict=True)]
    assert math.fsum(errors) == pytest.approx(0, abs=1e-5)
    assert math.fsum(e * x for e, x in zip(errors, logits, strict=True)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("logits", "outcomes", "offset"),
    [([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], math.log(4)), ([0.0, 0.0], [1.0, 0.0], 0.0), ([5.0], [0.0], -math.log(2))],
)
def test_where_nothing_can_be_told_the_base_rate_is_smoothed(
    logits: list[float], outcomes: list[float], offset: float
) -> None:
    slope, found = fit_platt(logits, outcomes)
    assert slope * logits[0] + found == pytest.approx(offset, abs=1e-6)


def test_separable_outcomes_give_a_finite_line() -> None:
    slope, offset = fit_platt([-1000.0, -1.0, 1.0, 1000.0], [0.0, 0.0, 1.0, 1.0])
    assert math.isfinite(slope) and math.isfinite(offset)
    assert slope > 0


@pytest.mark.parametrize(
    ("logits", "outcomes", "rule"),
    [
        ([], [], "at least one, got 0 and 0"),
        ([1.0], [1.0, 0.0], "one outcome a logit, and at least one, got 1 and 2"),
        ([math.nan], [1.0], "must be finite"),
        ([math.inf], [1.0], "must be finite"),
        ([1.0], [1.5], "outcomes from 0 to 1"),
        ([1.0], [math.nan], "outcomes from 0 to 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused(logits: list[float], outcomes: list[float], rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        fit_platt(logits, outcomes)
