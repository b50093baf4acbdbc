"""Posteriors: the online update against the formulas over the whole batch, and the law of a draw."""

import math

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from ponder.strategies.posteriors import Beta, Gaussian, Posterior


def batch(prior: Gaussian, rewards: list[float]) -> tuple[float, float, float, float]:
    """Mean, kappa, nu and tau2 after all `rewards` at once."""
    n, average = len(rewards), math.fsum(rewards) / len(rewards)
    kappa, nu = prior.kappa + n, prior.nu + n
    within = math.fsum((x - average) ** 2 for x in rewards)
    between = n * prior.kappa * (prior.mean - average) ** 2 / kappa
    mean = (prior.kappa * prior.mean + n * average) / kappa
    return mean, kappa, nu, (prior.nu * prior.tau2 + within + between) / nu


@pytest.mark.parametrize(
    "rewards",
    [[1.0], [0.0] * 7, [1.0] * 7, [0.2, 0.9, 0.4], [0.5] * 50 + [1.0], list(np.random.default_rng(1).random(1000))],
    ids=["one", "zeros", "ones", "few", "late", "many"],
)
@pytest.mark.parametrize("prior", [Gaussian(), Gaussian(mean=0.7, kappa=3, nu=2.5, tau2=1.5)], ids=["default", "other"])
def test_one_at_a_time_is_the_whole_batch(prior: Gaussian, rewards: list[float]) -> None:
    belief = prior
    for reward in rewards:
        belief = belief.observed(reward)
    assert (belief.mean, belief.kappa, belief.nu, belief.tau2) == pytest.approx(batch(prior, rewards), rel=1e-12)


def test_an_exact_value() -> None:
    belief = Gaussian().observed(1.0).observed(0.5)
    assert (belief.mean, belief.kappa, belief.nu) == (0.5, 3.0, 3.0)
    assert belief.tau2 == pytest.approx((0.1 + 0.125 + 2 * 0.5625 / 3) / 3)


def test_a_small_spread_far_from_zero_is_not_lost() -> None:
    rewards = [1e8 + x for x in (0.0, 1.0, 2.0, 1.0) * 250]
    belief = Gaussian(mean=1e8)
    for reward in rewards:
        belief = belief.observed(reward)
    assert belief.tau2 == pytest.approx(batch(Gaussian(mean=1e8), rewards)[3], rel=1e-6)


def test_a_prior_mean_of_zero_and_of_an_integer_is_kept() -> None:
    """A reference takes a mean of 0, and any integer, for one that was not given."""
    read = TypeAdapter(Posterior).validate_python
    assert read({"kind": "gaussian", "mean": 0}).observed(0.0).mean == 0.0
    assert read({"kind": "gaussian", "mean": 1}).observed(0.0).mean == 0.5
    assert read({"kind": "beta", "a": 2, "b": 1}).observed(1.0) == Beta(a=3.0, b=1.0)


def test_beta_adds_successes_and_failures() -> None:
    belief = Beta()
    for reward in (1.0, 0.0, 0.25, 0.25):
        belief = belief.observed(reward)
    assert (belief.a, belief.b) == (2.0, 3.0)


def test_a_prior_is_not_changed_by_what_is_observed() -> None:
    prior = Gaussian()
    prior.observed(1.0)
    assert prior == Gaussian()


def test_a_gaussian_draw_follows_a_student_law() -> None:
    """(draw - m) / sqrt(tau2 / kappa) is Student's t of nu degrees, within 1 of 0 with a probability in closed form."""
    rng = np.random.default_rng(0)
    for belief, within in ((Gaussian(), 0.5), (Gaussian(mean=0.7, kappa=4, nu=2, tau2=0.5), 1 / math.sqrt(3))):
        scale = math.sqrt(belief.tau2 / belief.kappa)
        draws = np.array([(belief.draw(rng) - belief.mean) / scale for _ in range(20_000)])
        assert np.mean(np.abs(draws) < 1) == pytest.approx(within, abs=0.02)
        assert np.mean(draws < 0) == pytest.approx(0.5, abs=0.02)


def test_a_beta_draw_has_the_moments_of_its_law() -> None:
    rng = np.random.default_rng(0)
    draws = np.array([Beta(a=2, b=3).draw(rng) for _ in range(20_000)])
    assert draws.mean() == pytest.approx(0.4, abs=0.01)
    assert draws.var() == pytest.approx(0.04, abs=0.002)


@pytest.mark.parametrize("knobs", [{"kappa": 0}, {"nu": 0.5}, {"tau2": 0}, {"mean": math.nan}])
def test_a_prior_without_a_law_is_refused(knobs: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Gaussian(**knobs)


def test_draws_stay_finite_at_every_extreme() -> None:
    rng = np.random.default_rng(0)
    belief = Gaussian(tau2=1e-9)
    for _ in range(3000):
        belief = belief.observed(0.0)
        assert math.isfinite(belief.draw(rng))
    assert all(0 <= Beta(a=1e-3, b=1e-3).draw(rng) <= 1 for _ in range(1000))
