"""The step of the stochastic equation: Euler's without noise, and the flow's marginals with any."""

import itertools
import math

import numpy as np
import pytest

from ponder.orchestrator.engines.denoisers import Condition, Mixture
from ponder.orchestrator.interpolants import LINEAR, VP, Tabulated
from ponder.strategies.denoising import times
from ponder.strategies.sde_step import diffusion_at, sde_steps

MEAN, VARIANCE = 0.7, 0.25
RANDOM = np.random.default_rng(0)
PATHS = {
    "linear": LINEAR,
    "vp": VP,
    "table": Tabulated(log_signal=tuple((0.5 * np.cumsum(np.log1p(-np.linspace(1e-4, 0.02, 1000)))).tolist())),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_without_noise_it_is_eulers_step_to_the_bit(path, dtype) -> None:
    x, u, z = RANDOM.standard_normal((3, 8, 2, 2)).astype(dtype)
    with np.errstate(all="raise"):
        for t, to in ((1.0, 0.875), (0.5, 0.25), (0.1, 0.0625)):
            found = sde_steps(path, x, u, (t, to), g=0.0, z=z)
            assert found.dtype == dtype
            assert found.tobytes() == (x - (t - to) * u).tobytes()


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_the_step_to_data_is_to_the_data_expected(path) -> None:
    x, u, z = RANDOM.standard_normal((3, 8, 2, 2)).astype(np.float32)
    for g in (0.0, 3.0):
        assert sde_steps(path, x, u, (0.25, 0.0), g=g, z=z).tobytes() == path.data(x, u, 0.25).tobytes()


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_step_is_drift_and_noise(path) -> None:
    """``x + (-u + g^2/2 score) d + g sqrt(d) z`` with the score as ``-eps / s``."""
    x, u, z = RANDOM.standard_normal((3, 5))
    t, to, g = 0.625, 0.5, 1.7
    score = -path.noise_in(x, u, t) / path.noise(t)
    expected = x + (t - to) * (-u + g * g / 2 * score) + g * math.sqrt(t - to) * z
    assert np.allclose(sde_steps(path, x, u, (t, to), g=g, z=z), expected, rtol=1e-14)


def test_one_state_steps_as_it_does_among_many() -> None:
    x, u, z = RANDOM.standard_normal((3, 4, 2, 2, 1)).astype(np.float32)
    together = sde_steps(LINEAR, x, u, (0.75, 0.5), g=2.0, z=z).astype(np.float32)
    for row in range(4):
        alone = sde_steps(LINEAR, x[row], u[row], (0.75, 0.5), g=2.0, z=z[row]).astype(np.float32)
        assert alone.tobytes() == together[row].tobytes()


def law(path, steps: int, scale: float) -> tuple[float, float]:
    """The mean and the variance of what so many steps make of a Gaussian.

    Each step is affine, so that they follow from where it takes 0 and 1, without an error of sampling.
    """
    model = Mixture(means=((MEAN,),), variance=VARIANCE, shape=(1, 1, 1), interpolant=path).load()
    mean, variance = 0.0, 1.0
    for t, to in itertools.pairwise((1.0, *times(steps))):
        x, g = np.array([0.0, 1.0]).reshape(2, 1, 1, 1), diffusion_at(t, scale)
        u = model.velocity(x, np.full(2, t), [Condition()] * 2)
        at_0, at_1 = sde_steps(path, x, u, (t, to), g=g, z=np.zeros_like(x)).ravel()
        mean, variance = at_0 + (at_1 - at_0) * mean, (at_1 - at_0) ** 2 * variance + (g * g * (t - to) if to else 0.0)
    return mean, variance


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_any_noise_keeps_the_marginals(path, scale) -> None:
    mean, variance = law(path, 400, scale)
    assert abs(mean - MEAN) < 0.004
    assert abs(variance - VARIANCE) < 0.006


@pytest.mark.parametrize(
    ("path", "scale", "expected"),
    [(LINEAR, 0.0, 0.185), (LINEAR, 1.0, 0.197), (LINEAR, 3.0, 0.242), (VP, 0.0, 0.199), (VP, 3.0, 0.223)],
)
def test_few_steps_lose_variance_that_noise_brings_back(path, scale, expected) -> None:
    assert law(path, 10, scale)[1] == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize(("path", "scale"), [(LINEAR, 0.0), (LINEAR, 3.0), (VP, 3.0)])
def test_samples_are_of_the_law(path, scale) -> None:
    """With real noise, the moments that follow without."""
    rng, n = np.random.default_rng(1), 50_000
    found = sampled(Mixture(means=((MEAN,),), variance=VARIANCE, shape=(1, 1, 1), interpolant=path), 10, scale, rng, n)
    mean, variance = law(path, 10, scale)
    assert abs(found.mean() - mean) < 4.5 * math.sqrt(variance / n)
    assert abs(found.var() / variance - 1) < 4.5 * math.sqrt(2 / n)


@pytest.mark.parametrize("path", [LINEAR, VP], ids=["linear", "vp"])
@pytest.mark.parametrize("scale", [0.0, 3.0])
def test_samples_of_a_mixture_keep_its_parts(path, scale) -> None:
    rng, n = np.random.default_rng(2), 10_000
    two = Mixture(means=((-0.6,), (0.6,)), weights=(0.3, 0.7), variance=0.01, shape=(1, 1, 1), interpolant=path)
    found = sampled(two, 120, scale, rng, n)
    assert abs((found > 0).mean() - 0.7) < 0.02
    assert abs(found[found > 0].mean() - 0.6) < 0.01
    assert abs(found[found < 0].std() - 0.1) < 0.01


def sampled(spec: Mixture, steps: int, scale: float, rng: np.random.Generator, n: int) -> np.ndarray:
    model, x = spec.load(), rng.standard_normal((n, 1, 1, 1))
    conditions = [Condition()] * n
    for t, to in itertools.pairwise((1.0, *times(steps))):
        u = model.velocity(x, np.full(n, t), conditions)
        x = sde_steps(spec.interpolant, x, u, (t, to), g=diffusion_at(t, scale), z=rng.standard_normal(x.shape))
    return x.ravel()
