"""Interpolants: coefficients, Tweedie's formula and the score against closed forms, and one seen in another."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from ponder.orchestrator.engines.denoisers import Condition, Mixture
from ponder.orchestrator.interpolants import LINEAR, VP, Conversion, Interpolant, Tabulated, VariancePreserving

DDPM = tuple((0.5 * np.cumsum(np.log1p(-np.linspace(1e-4, 0.02, 1000)))).tolist())
SCALED = tuple((0.5 * np.cumsum(np.log1p(-(np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)))).tolist())
TABLE = Tabulated(log_signal=DDPM)
EVERY = {"linear": LINEAR, "vp": VP, "constant rate": VariancePreserving(least=8.0, most=8.0), "table": TABLE}
NEW = {name: EVERY[name] for name in ("linear", "vp", "table")}
TIMES = np.array([0.0137, 0.1003, 0.2501, 0.4999, 0.7003, 0.9001, 0.9871, 1.0])
GAUSSIAN = (((0.7,),), ())
TWO = (((-0.6,), (0.9,)), (0.3, 0.7))
VARIANCE = 0.25


def states(path: Interpolant, law) -> tuple[np.ndarray, ...]:
    """States ``[times * 5, 1]``, their times, and the denoiser's velocities there, in float64."""
    means, weights = law
    model = Mixture(means=means, weights=weights, variance=VARIANCE, shape=(1, 1, 1), interpolant=path).load()
    t = np.repeat(TIMES, 5)
    x = np.tile(np.array([-2.0, -0.7, 0.05, 0.9, 2.3]), len(TIMES))
    u = model.velocity(x.reshape(-1, 1, 1, 1), t, [Condition()] * len(x)).ravel()
    return x, t, u


def true_score(x: np.ndarray, a: np.ndarray, s: np.ndarray, law) -> np.ndarray:
    """The gradient of the logarithm of a mixture of ``N(a m, a^2 v + s^2)``."""
    means, weights = np.array(law[0])[:, 0], np.array(law[1] or [1.0])
    spread = (a * a * VARIANCE + s * s)[:, None]
    gaps = x[:, None] - a[:, None] * means
    density = weights * np.exp(-0.5 * gaps**2 / spread)
    return np.sum(density * -gaps / spread, axis=1) / density.sum(axis=1)


@pytest.mark.parametrize("law", [GAUSSIAN, TWO], ids=["gaussian", "mixture"])
@pytest.mark.parametrize("path", EVERY.values(), ids=EVERY)
def test_data_noise_and_score_are_those_of_the_closed_form(path, law) -> None:
    """The score in its three forms, Tweedie's formula, and what is left as noise."""
    x, t, u = states(path, law)
    a, s, da, ds = path.signal(t), path.noise(t), path.signal_rate(t), path.noise_rate(t)
    score = true_score(x, a, s, law)
    data = (x + s * s * score) / np.where(a > 0, a, 1.0)
    alive = a > 1e-9
    near = {"rtol": 1e-10, "atol": 1e-10}
    assert np.allclose(path.score(x, u, t), score, **near)
    assert np.allclose((a * u - da * x) / (da * s - a * ds) / s, score, **near)
    assert np.allclose(((a / da) * u - x) / (s * s - (a / da) * ds * s), score, **near)
    assert np.allclose(path.data(x, u, t)[alive], data[alive], rtol=1e-10, atol=1e-9)
    assert np.allclose(path.noise_in(x, u, t), -s * score, **near)
    assert np.allclose(path.mixed(path.data(x, u, t), path.noise_in(x, u, t), t), x, **near)
    assert np.allclose(path.velocity(path.data(x, u, t), path.noise_in(x, u, t), t), u, rtol=1e-10, atol=1e-9)


def test_a_gaussian_is_expected_where_its_formula_says() -> None:
    """``m + v a (x - a m) / (v a^2 + s^2)``, at the end of the noise too."""
    x, t, u = states(LINEAR, GAUSSIAN)
    a, s = LINEAR.signal(t), LINEAR.noise(t)
    expected = 0.7 + VARIANCE * a * (x - 0.7 * a) / (VARIANCE * a**2 + s**2)
    assert np.allclose(LINEAR.data(x, u, t), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("path", EVERY.values(), ids=EVERY)
def test_coefficients_run_from_data_to_noise_and_their_rates_are_derivatives(path) -> None:
    assert (path.signal(0.0), path.noise(0.0)) == (1.0, 0.0)
    assert path.signal(1.0) == pytest.approx(0.0, abs=0.02)
    assert path.noise(1.0) == pytest.approx(1.0, abs=2e-4)
    t, h = np.linspace(0.0503, 0.9503, 19), 1e-6
    for value, rate in ((path.signal, path.signal_rate), (path.noise, path.noise_rate)):
        assert np.allclose(rate(t), (value(t + h) - value(t - h)) / (2 * h), rtol=1e-5, atol=1e-7)
    if path is not LINEAR:
        assert np.allclose(path.signal(t) ** 2 + path.noise(t) ** 2, 1.0, rtol=1e-12)


@pytest.mark.parametrize("path", EVERY.values(), ids=EVERY)
def test_a_time_is_found_by_its_ratio(path) -> None:
    t = np.linspace(0.01, 0.99, 50)
    assert np.allclose(path.time_at(path.signal(t) / path.noise(t)), t, rtol=1e-9)


@pytest.mark.parametrize("log_signal", [DDPM, SCALED], ids=["linear betas", "scaled-linear betas"])
def test_a_table_holds_at_its_times_and_is_even_between(log_signal) -> None:
    """The k-th of a thousand times is that of the k-th training step, as in the tables of DDIM."""
    path, t = Tabulated(log_signal=log_signal), np.arange(1, 1001) / 1000
    alphas = np.exp(2 * np.array(log_signal))
    assert np.allclose(path.signal(t), np.sqrt(alphas), rtol=1e-12)
    assert np.allclose(path.noise(t), np.sqrt(1 - alphas), rtol=1e-9)
    between = path.signal((t[:-1] + t[1:]) / 2)
    assert np.allclose(between, np.sqrt(path.signal(t[:-1]) * path.signal(t[1:])), rtol=1e-12)
    assert np.allclose(path.time_at(np.sqrt(alphas / (1 - alphas))), t, rtol=1e-9)


def test_a_table_at_a_knot_falls_as_it_does_just_before() -> None:
    """Its slope there is that of the piece that ends, whatever the rounding of the time."""
    path = Tabulated(log_signal=tuple(-float(k * k) / 1000 for k in range(1, 101)))
    slopes = [path.signal_rate(k / 100) / path.signal(k / 100) for k in range(1, 101)]
    assert any(k / 100 * 100 > k for k in range(1, 101))
    assert slopes == pytest.approx([-(2 * k - 1) / 10 for k in range(1, 101)])
    assert path.signal_rate(0.0) == pytest.approx(-0.1)


@pytest.mark.parametrize("log_signal", [(0.0, -1.0), (-1.0, -1.0), (-2.0, -1.0), (0.99, 0.1), (-1.0, -math.inf)])
def test_a_table_that_does_not_fall_from_data_to_noise_is_refused(log_signal) -> None:
    with pytest.raises(ValidationError, match="log_signal must fall from below 0"):
        Tabulated(log_signal=log_signal)


@pytest.mark.parametrize("path", EVERY.values(), ids=EVERY)
def test_an_interpolant_seen_in_itself_is_itself(path) -> None:
    same = Conversion(path, path.model_copy())
    x, t, u = states(path, TWO)
    for r in (0.0, 0.3, 1.0):
        assert (same.time(r), same.scale(r)) == (r, 1.0)
        assert same.velocity(x, u, r) is u
    assert t[-1] == 1.0


@pytest.mark.parametrize("law", [GAUSSIAN, TWO], ids=["gaussian", "mixture"])
@pytest.mark.parametrize("new", NEW.values(), ids=NEW)
@pytest.mark.parametrize("original", NEW.values(), ids=NEW)
def test_the_velocity_in_another_interpolant_is_that_of_a_denoiser_of_it(original, new, law) -> None:
    """And what is expected of a state is the same in both."""
    means, weights = law
    knobs = {"means": means, "weights": weights, "variance": VARIANCE, "shape": (1, 1, 1)}
    old, direct = (Mixture(interpolant=path, **knobs).load() for path in (original, new))
    seen, x = Conversion(original, new), np.array([-2.0, -0.7, 0.05, 0.9, 2.3]).reshape(5, 1, 1, 1)
    for r in (0.0503, 0.3001, 0.6999, 0.9003):
        t, c = seen.time(r), seen.scale(r)
        u = old.velocity(x / c, np.full(5, t), [Condition()] * 5)
        found = seen.velocity(x / c, u, r)
        assert np.allclose(found, direct.velocity(x, np.full(5, r), [Condition()] * 5), rtol=1e-9, atol=1e-9)
        assert np.allclose(new.data(x, found, r), original.data(x / c, u, t), rtol=1e-9, atol=1e-9)
        assert new.signal(r) / new.noise(r) == pytest.approx(original.signal(t) / original.noise(t), rel=1e-9)


def test_linear_seen_as_variance_preserving_is_as_published() -> None:
    """``t = S / (A + S)``, ``c = A + S`` and ``(c'/c) x + c t' u``: Kim et al. 2025, section 4.2."""
    seen, x, u = Conversion(LINEAR, VP), np.array([-1.0, 0.2, 3.0]), np.array([0.5, -2.0, 1.0])
    for r in (0.0507, 0.31, 0.64, 0.97, 1.0):
        a, s, da, ds = VP.signal(r), VP.noise(r), VP.signal_rate(r), VP.noise_rate(r)
        assert seen.time(r) == pytest.approx(s / (a + s), rel=1e-12)
        assert seen.scale(r) == pytest.approx(a + s, rel=1e-12)
        pace = (ds * a - s * da) / (a + s) ** 2
        published = (da + ds) / (a + s) * (seen.scale(r) * x) + seen.scale(r) * pace * u
        assert np.allclose(seen.velocity(x, u, r), published, rtol=1e-10)


@pytest.mark.parametrize("new", NEW.values(), ids=NEW)
@pytest.mark.parametrize("original", NEW.values(), ids=NEW)
def test_data_is_data_in_every_interpolant(original, new) -> None:
    seen = Conversion(original, new)
    assert (seen.time(0.0), seen.scale(0.0)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("original", "new", "t", "scale"),
    [
        ("linear", "vp", 0.9934711772509037, 1.0065499933872681),
        ("linear", "table", 0.993687158854795, 1.00633263873514),
        ("table", "vp", 0.9966442014248607, 1.0),
        ("vp", "linear", 1.0, 1.0000215935739338),
        ("vp", "table", 1.0, 1.0000014137857594),
        ("table", "linear", 1.0, 1.0000201797596444),
    ],
)
def test_noise_is_where_the_original_has_as_much_or_its_most(original, new, t, scale) -> None:
    """All but the linear one leave a little data at time 1; less than the original ever has is its time 1."""
    seen = Conversion(NEW[original], NEW[new])
    assert (seen.time(1.0), seen.scale(1.0)) == pytest.approx((t, scale), rel=1e-9)
    left, least = (NEW[name].signal(1.0) / NEW[name].noise(1.0) for name in (new, original))
    assert (t == 1.0) == (left <= least)
    assert NEW[original].signal(t) / NEW[original].noise(t) == pytest.approx(max(left, least), rel=1e-9)
