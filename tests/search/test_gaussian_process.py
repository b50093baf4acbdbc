"""The Gaussian process, against cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.search.decisions.gaussian_process import GaussianProcess, negative_log_likelihood


def matern(distance: float) -> float:
    far = math.sqrt(5) * distance
    return (1 + far + far**2 / 3) * math.exp(-far)


def process(x: list[list[float]], y: list[float], noise: list[float]) -> GaussianProcess:
    """With length scale 2 and variance 3, whatever the values."""
    empty = np.zeros((0, 1))
    blank = GaussianProcess(np.array([2.0]), 3.0, empty, 0.0, np.zeros(0), np.zeros((0, 0)))
    return blank.conditioned(np.array(x), np.array(y), np.array(noise))


def test_one_point_by_hand() -> None:
    mean, sd = process([[0.0]], [5.0], [1.0]).predict(np.array([[0.0], [1.0]]))
    correlation = matern(0.5)
    np.testing.assert_allclose(mean, 5.0)  # the mean of one value is that value
    np.testing.assert_allclose(sd**2, [3 - 9 / 4, 3 - 9 * correlation**2 / 4], rtol=1e-6)


def test_two_points_by_hand() -> None:
    covariance = np.array([[3 + 0.5, 3 * matern(0.5)], [3 * matern(0.5), 3 + 1.5]])
    inverse = np.linalg.inv(covariance)
    y = np.array([1.0, 2.0])
    centre = inverse.sum(axis=0) @ y / inverse.sum()
    cross = np.array([3 * matern(0.25), 3 * matern(0.25)])
    mean, sd = process([[0.0], [1.0]], [1.0, 2.0], [0.5, 1.5]).predict(np.array([[0.5]]))
    assert mean[0] == pytest.approx(centre + cross @ inverse @ (y - centre), rel=1e-6)
    assert sd[0] == pytest.approx(math.sqrt(3 - cross @ inverse @ cross), rel=1e-6)


def test_without_noise_it_runs_through_the_points() -> None:
    x = np.linspace(0, 1, 12)[:, None]
    y = np.sin(5 * x[:, 0])
    mean, sd = GaussianProcess.fit(x, y, np.zeros(12)).predict(x)
    np.testing.assert_allclose(mean, y, atol=1e-4)
    assert sd.max() < 1e-2


def test_with_all_noise_it_stays_at_the_mean() -> None:
    x, y = np.linspace(0, 1, 8)[:, None], np.array([1.0, 0.0] * 4)
    mean, _ = GaussianProcess.fit(x, y, np.full(8, 100.0)).predict(x)
    np.testing.assert_allclose(mean, 0.5, atol=0.05)


def test_the_gradient_is_that_of_the_likelihood() -> None:
    rng = np.random.default_rng(0)
    x, y, noise = rng.random((25, 3)), rng.normal(size=25), rng.random(25)
    at = np.array([0.3, -0.7, 1.1, 0.4])
    _, slope = negative_log_likelihood(at, x, y, noise)
    for axis, step in enumerate(1e-5 * np.eye(4)):
        above, below = (negative_log_likelihood(at + sign * step, x, y, noise)[0] for sign in (1, -1))
        assert slope[axis] == pytest.approx((above - below) / 2e-5, rel=1e-5, abs=1e-6)


def test_fitting_finds_scale_and_relevance() -> None:
    rng = np.random.default_rng(1)
    x = rng.random((150, 3))
    covariance = 4.0 * np.vectorize(matern)(np.abs(x[:, :1] - x[:, 0]) / 0.1)
    y = np.linalg.cholesky(covariance + 1e-8 * np.eye(150)) @ rng.normal(size=150) + rng.normal(0, 0.1, 150)
    found = GaussianProcess.fit(x, y, np.full(150, 0.01))
    assert found.lengths[0] == pytest.approx(0.1, rel=0.3) and found.lengths[1:].min() > 2.0
    assert found.signal == pytest.approx(4.0, rel=0.5)


def test_precise_values_count_more() -> None:
    mean, _ = process([[0.0], [0.0]], [0.0, 1.0], [0.01, 1.0]).predict(np.array([[0.0]]))
    assert 0.0 < mean[0] < 0.05


def test_a_planned_measurement_narrows_as_a_real_one_does() -> None:
    rng = np.random.default_rng(2)
    x, y, noise, ahead = rng.random((10, 2)), rng.normal(size=10), rng.random(10) + 0.1, rng.random((5, 2))
    found = GaussianProcess.fit(x, y, noise)
    posterior = found.posterior(ahead)
    for point, more in ((3, 0.2), (1, 0.4)):
        posterior.plan(point, more)
        x, y, noise = np.vstack((x, ahead[point])), np.append(y, 0.0), np.append(noise, more)
    later = found.conditioned(x, y, noise).posterior(ahead)
    np.testing.assert_allclose(posterior.variance, later.variance, rtol=1e-5)
    np.testing.assert_allclose(posterior.covariance(2), later.covariance(2), atol=1e-6)
    assert posterior.covariance(2)[2] == pytest.approx(posterior.variance[2], rel=1e-5)


def test_identical_values_and_single_points_are_fine() -> None:
    for count in (1, 2, 30):
        x = np.zeros((count, 2))
        mean, sd = GaussianProcess.fit(x, np.full(count, 0.7), np.zeros(count)).predict(np.ones((3, 2)))
        np.testing.assert_allclose(mean, 0.7, atol=1e-6)
        assert np.isfinite(sd).all()


def test_the_same_seed_fits_the_same() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.random((300, 2)), rng.normal(size=300)
    first, second = (GaussianProcess.fit(x, y, np.ones(300), seed=5).lengths for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("x", "y", "noise", "message"),
    [
        (np.zeros((0, 2)), np.zeros(0), np.zeros(0), "at least one point"),
        (np.zeros((2, 1)), np.zeros(3), np.zeros(2), "shapes"),
        (np.zeros((1, 1)), np.array([np.nan]), np.zeros(1), "finite"),
        (np.zeros((1, 1)), np.zeros(1), np.array([-1.0]), "at least 0"),
    ],
)
def test_bad_data_is_refused(x: np.ndarray, y: np.ndarray, noise: np.ndarray, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        GaussianProcess.fit(x, y, noise)
