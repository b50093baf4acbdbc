"""Expected improvement and the normal distribution function."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ponder.search.decisions.expected_improvement import expected_improvement, normal_cdf


def test_the_distribution_function_is_exact() -> None:
    z = np.linspace(-38, 38, 2001)
    exact = [0.5 * math.erfc(-each / math.sqrt(2)) for each in z]
    np.testing.assert_allclose(normal_cdf(z), exact, atol=1e-14)


def test_values_by_hand() -> None:
    density, tail = math.exp(-0.5) / math.sqrt(2 * math.pi), 0.5 * math.erfc(1 / math.sqrt(2))
    found = expected_improvement([0.8, 0.7, 0.9], [0.1, 0.1, 0.1], 0.8)
    exact = [0.1 / math.sqrt(2 * math.pi), 0.1 * (density - tail), 0.1 * (1 - tail + density)]
    np.testing.assert_allclose(found, exact, rtol=1e-12)


def test_it_is_the_mean_of_what_exceeds_the_best() -> None:
    draws = np.random.default_rng(0).normal(0.3, 0.5, 400_000)
    assert expected_improvement(0.3, 0.5, 0.6) == pytest.approx(np.maximum(draws - 0.6, 0).mean(), rel=0.02)


def test_certain_points_improve_by_what_they_exceed() -> None:
    np.testing.assert_array_equal(expected_improvement([0.5, 0.75, 0.25], [0.0, 0.0, 0.0], 0.5), [0.0, 0.25, 0.0])


def test_it_is_never_negative_and_grows_with_doubt() -> None:
    found = expected_improvement(np.full(50, -1.0), np.linspace(0, 2, 50), 0.0)
    assert found.min() >= 0 and (np.diff(found) >= 0).all()
