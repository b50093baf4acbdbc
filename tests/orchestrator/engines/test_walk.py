"""Walks from noise to data: what is asked on the way, how exact each solver is, and where a walk ends."""

import itertools

import numpy as np
import pytest

from ponder.orchestrator.denoising import Denoising, Flow, Passage
from ponder.orchestrator.engines.denoisers import Condition, Mixture
from ponder.orchestrator.engines.denoisers.walk import Arrival, Place, ddim_step, walk
from ponder.orchestrator.images import Latent
from ponder.orchestrator.interpolants import LINEAR, VP, Conversion, Tabulated

SHAPE = (1, 1, 1)
GAUSSIAN = Mixture(means=((0.7,),), variance=0.25, shape=SHAPE)
TWO = Mixture(means=((-0.6,), (0.6,)), variance=0.02, shape=SHAPE)
NOISE = np.array([-1.7, -0.3, 0.4, 2.1], np.float32).reshape(4, *SHAPE)
BETAS = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
TABLE = Tabulated(log_signal=tuple((0.5 * np.cumsum(np.log1p(-BETAS))).tolist()))


def grid(steps: int) -> tuple[float, ...]:
    return tuple(1 - k / steps for k in range(1, steps + 1))


def went(passages: list[Passage], spec: Mixture) -> tuple[Arrival, list[Place]]:
    """Where a walk ends, and the places at which it asked a denoiser."""
    model, places = spec.load(), []
    walking = walk(passages, model.facts)
    try:
        place = next(walking)
        while True:
            places.append(place)
            velocity = model.velocity(place.x, np.full(len(place.x), place.t), [Condition()] * len(place.x))
            place = walking.send(velocity)
    except StopIteration as end:
        return end.value, places


def passages(flow: Flow, times: tuple[float, ...], **knobs) -> list[Passage]:
    return [Passage(Latent.of(x, 1.0), flow, "", times, **knobs) for x in NOISE]


def test_euler_goes_by_the_velocity_at_each_place() -> None:
    arrival, places = went(passages(Flow(), grid(4)), GAUSSIAN)
    model, x = GAUSSIAN.load(), NOISE
    for place, (t, to) in zip(places, itertools.pairwise((1.0, *grid(4))), strict=True):
        assert place.t == t
        assert np.array_equal(place.x, x)
        x = x + (to - t) * model.velocity(x, np.full(4, t), [Condition()] * 4)
    assert np.array_equal(arrival.x, x)
    assert np.array_equal(arrival.data, x)
    assert arrival.velocity is None


def error(solver: str, steps: int, path) -> float:
    """The largest distance from where the equation ends: a Gaussian's quantiles keep their places."""
    spec = GAUSSIAN.model_copy(update={"interpolant": path})
    arrival, _ = went(passages(Flow(solver=solver), grid(steps)), spec)
    z = (NOISE - 0.7 * path.signal(1.0)) / np.sqrt(0.25 * path.signal(1.0) ** 2 + path.noise(1.0) ** 2)
    return float(np.max(abs(arrival.x - (0.7 + 0.5 * z))))


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("ddim", 1), ("heun", 2)])
@pytest.mark.parametrize("path", [LINEAR, VP], ids=["linear", "vp"])
def test_twice_the_steps_halve_the_error_or_quarter_it(solver, order, path) -> None:
    errors = [error(solver, steps, path) for steps in (16, 32, 64)]
    assert errors[-1] < 0.05
    assert min(errors) > 1e-5
    for wide, narrow in itertools.pairwise(errors):
        assert 2 ** (order - 0.5) < wide / narrow < 2 ** (order + 0.6)


def test_ddim_is_euler_on_a_linear_interpolant() -> None:
    euler, _ = went(passages(Flow(), grid(7)), TWO)
    ddim, _ = went(passages(Flow(solver="ddim"), grid(7)), TWO)
    assert np.allclose(ddim.x, euler.x, rtol=0, atol=2e-6)


def test_ddim_is_the_same_way_in_every_interpolant() -> None:
    """Data and noise as expected mix anew: seen in another interpolant, at times that mix alike, it is the same."""
    seen = Conversion(LINEAR, VP)
    other = grid(7)
    own = (*(seen.time(r) for r in other[:-1]), 0.0)
    start = [Passage(Latent.of(x, seen.time(1.0)), Flow(solver="ddim"), "", own) for x in NOISE / seen.scale(1.0)]
    linear, _ = went(start, TWO)
    converted, places = went(passages(Flow(interpolant=VP, solver="ddim"), other), TWO)
    assert np.allclose(converted.x, linear.x, rtol=0, atol=5e-6)
    assert [place.t for place in places] == [seen.time(r) for r in (1.0, *other[:-1])]


def test_a_ddim_step_is_as_published() -> None:
    """``sqrt(alpha') x_0 + sqrt(1 - alpha') eps`` with the tables of a model of a thousand steps."""
    alphas, x, eps = np.cumprod(1 - BETAS), NOISE.astype(np.float64), NOISE[::-1] * 0.5
    for step, to in ((999, 799), (500, 250), (60, 0)):
        data = (x - np.sqrt(1 - alphas[step]) * eps) / np.sqrt(alphas[step])
        u = TABLE.velocity(data, eps, (step + 1) / 1000)
        found = ddim_step(TABLE, x, u, ((step + 1) / 1000, (to + 1) / 1000))
        assert np.allclose(found, np.sqrt(alphas[to]) * data + np.sqrt(1 - alphas[to]) * eps, rtol=1e-9)


@pytest.mark.parametrize("path", [LINEAR, VP, TABLE], ids=["linear", "vp", "table"])
def test_a_ddim_step_is_exact_where_data_and_noise_stay(path) -> None:
    data, eps, t = np.array([0.3, -0.8]), np.array([1.2, -0.1]), 0.85
    x, u = path.mixed(data, eps, t), path.velocity(data, eps, t)
    for to in (0.7, 0.2, 0.0):
        assert np.allclose(ddim_step(path, x, u, (t, to)), path.mixed(data, eps, to), rtol=1e-10)


@pytest.mark.parametrize("path", [None, VP], ids=["own", "converted"])
@pytest.mark.parametrize("solver", ["euler", "heun", "ddim"])
@pytest.mark.parametrize("times", [(0.5, 0.25, 0.0), (0.75, 0.5), (0.0,), ()])
@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("is_known", [False, True])
def test_a_passage_counts_what_it_asks(path, solver, times, looks, is_known) -> None:
    flow = Flow(interpolant=path, solver=solver)
    latents = [Latent.of(x, 1.0, x * 0.5 if is_known else None) for x in NOISE]
    asked = [Passage(latent, flow, "", times, looks=looks) for latent in latents]
    arrival, places = went(asked, GAUSSIAN)
    assert len(places) == asked[0].evaluations
    assert (arrival.velocity is not None) is (looks and asked[0].end > 0.0)
    assert arrival.x.shape == NOISE.shape


def test_a_known_velocity_is_gone_by_and_what_was_seen_is_told() -> None:
    """The walk in two parts is the walk in one."""
    flow = Flow(interpolant=VP)
    whole, _ = went(passages(flow, grid(4)), TWO)
    first, places = went(passages(flow, grid(4)[:2], looks=True), TWO)
    assert len(places) == 3
    assert np.allclose(first.data, VP.data(first.x, first.velocity, 0.5))
    stops = [Latent.of(x, 0.5, u) for x, u in zip(first.x, first.velocity, strict=True)]
    second, more = went([Passage(stop, flow, "", grid(4)[2:]) for stop in stops], TWO)
    assert len(more) == 1
    assert np.allclose(second.x, whole.x, rtol=0, atol=1e-6)


def test_a_denoiser_is_asked_in_its_own_interpolant() -> None:
    spec = TWO.model_copy(update={"interpolant": VP})
    _, places = went(passages(Flow(interpolant=LINEAR), grid(4)), spec)
    seen = Conversion(VP, LINEAR)
    assert [place.t for place in places] == [seen.time(r) for r in (1.0, 0.75, 0.5, 0.25)]
    assert np.allclose(places[0].x, NOISE / seen.scale(1.0))


def test_the_way_of_one_latent_is_its_own() -> None:
    together, _ = went(passages(Flow(solver="heun"), grid(5)), TWO)
    for row, x in enumerate(NOISE):
        alone, _ = went([Passage(Latent.of(x, 1.0), Flow(solver="heun"), "", grid(5))], TWO)
        assert np.allclose(alone.x[0], together.x[row], rtol=0, atol=1e-5)


def test_a_latent_that_stays_is_looked_at() -> None:
    arrival, places = went(passages(Flow(), (), looks=True), TWO)
    facts = Denoising(shape=SHAPE)
    assert facts.interpolant == LINEAR
    assert [place.t for place in places] == [1.0]
    assert np.array_equal(arrival.x, NOISE)
    assert np.allclose(arrival.data, 0.0, atol=1e-6)
