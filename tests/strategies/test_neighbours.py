"""Neighbours of noises: their angle, their norm, and that they are as normal as what they are neighbours of."""

import numpy as np
import pytest
from scipy import stats

from ponder.orchestrator.errors import UsageError
from ponder.strategies.neighbours import neighbours

RANDOM = np.random.default_rng(3)
PIVOT = RANDOM.standard_normal((4, 4, 2)).astype(np.float32)
DIRECTIONS = RANDOM.standard_normal((50, 4, 4, 2)).astype(np.float32)


@pytest.mark.parametrize("tau", [0.95, 0.5, 0.0, -0.3, -0.999])
def test_the_cosine_is_tau_and_the_norm_is_kept(tau) -> None:
    found = neighbours(PIVOT, DIRECTIONS, tau).reshape(50, -1).astype(np.float64)
    p = PIVOT.ravel().astype(np.float64)
    norms = np.linalg.norm(found, axis=1)
    assert norms == pytest.approx(np.full(50, np.linalg.norm(p)), rel=1e-5)
    assert found @ p / norms / np.linalg.norm(p) == pytest.approx(np.full(50, tau), abs=1e-5)
    distances = np.linalg.norm(found - p, axis=1)
    assert distances == pytest.approx(np.full(50, np.linalg.norm(p) * np.sqrt(2 - 2 * tau)), rel=1e-5)


def test_at_the_ends_it_is_the_pivot_and_its_opposite() -> None:
    assert (neighbours(PIVOT, DIRECTIONS, 1.0) == PIVOT).all()
    assert (neighbours(PIVOT, DIRECTIONS, -1.0) == -PIVOT).all()


@pytest.mark.parametrize("tau", [1.0, 0.5, 0.0])
def test_nothing_is_ever_nan(tau) -> None:
    assert (neighbours(np.zeros_like(PIVOT), DIRECTIONS, tau) == 0).all()
    assert np.isfinite(neighbours(PIVOT, PIVOT[None], tau)).all()
    assert np.isfinite(neighbours(np.full(2, 1e-30, np.float32), np.ones((1, 2), np.float32), tau)).all()
    assert neighbours(PIVOT, DIRECTIONS[:0], tau).shape == (0, 4, 4, 2)


@pytest.mark.parametrize("tau", [1.1, -1.0001, float("nan")])
def test_another_tau_is_refused(tau) -> None:
    with pytest.raises(UsageError, match="tau must be the cosine of an angle, -1 to 1, got"):
        neighbours(PIVOT, DIRECTIONS, tau)


def added(pivot: np.ndarray, direction: np.ndarray) -> np.ndarray:
    return pivot + 0.3 * direction


def turned(pivot: np.ndarray, direction: np.ndarray) -> np.ndarray:
    return neighbours(pivot, direction[None], 0.95)[0]


@pytest.mark.parametrize(("neighbour", "is_normal"), [(turned, True), (added, False)])
def test_neighbours_of_normal_noise_are_normal(neighbour, is_normal) -> None:
    """20,000 pivots of 4 numbers, one neighbour each: the coordinates are normal, the squared norms chi-squared."""
    random = np.random.default_rng(0)
    pivots, directions = random.standard_normal((2, 20_000, 4))
    found = np.stack([neighbour(p, v) for p, v in zip(pivots, directions, strict=True)]).astype(np.float64)
    squares = np.sum(found**2, axis=1)
    chances = [stats.kstest(column, "norm").pvalue for column in found.T]
    chances += [stats.kstest(squares, stats.chi2(4).cdf).pvalue, stats.kstest(found @ [0.6, 0, 0.8, 0], "norm").pvalue]
    assert (min(chances) > 0.01) == is_normal
    error = np.abs(np.cov(found.T) - np.eye(4)).max()  # one standard error is 0.01 on the diagonal, 0.007 beside it
    assert (error < 0.04) == is_normal
    assert np.abs(found.mean(axis=0)).max() < 0.03
