"""The closed-form denoiser: components by prompt, guidance, precision, and what it refuses."""

import numpy as np
import pytest
from pydantic import ValidationError

from ponder.orchestrator.engines.denoisers import DENOISERS, Condition, Mixture
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.interpolants import LINEAR, VP

MEANS = ((-0.8, 0.1, 0.3, 0.5), (0.6, -0.4, 0.2, 0.0), (0.0, 0.9, -0.9, 0.4))
KNOBS = {"means": MEANS, "variance": 0.09, "shape": (2, 2, 1)}
SPEC = Mixture(weights=(1.0, 2.0, 5.0), **KNOBS)
RNG = np.random.default_rng(0)


def told(spec: Mixture, x, t, *conditions: Condition) -> np.ndarray:
    return spec.load().velocity(x, np.full(len(x), t), list(conditions) * (len(x) // len(conditions)))


def test_a_prompt_asks_for_a_component_and_none_for_any() -> None:
    x = RNG.standard_normal((3, 2, 2, 1))
    for component in range(3):
        alone = Mixture(means=(MEANS[component],), variance=0.09, shape=(2, 2, 1))
        for prompt in (str(component), f"a {component}, not 0"):
            assert np.allclose(told(SPEC, x, 0.4, Condition(prompt)), told(alone, x, 0.4, Condition()), rtol=1e-12)
    assert np.array_equal(told(SPEC, x, 0.4, Condition("anything")), told(SPEC, x, 0.4, Condition()))


def test_at_pure_noise_the_mean_of_all_is_expected_by_weight() -> None:
    x = RNG.standard_normal((2, 2, 2, 1))
    expected = np.average(np.array(MEANS), axis=0, weights=(1.0, 2.0, 5.0)).reshape(2, 2, 1)
    assert np.allclose(LINEAR.data(x, told(SPEC, x, 1.0, Condition()), 1.0), expected, rtol=1e-12)


def test_near_data_the_nearest_component_is_expected() -> None:
    x = np.array(MEANS).reshape(3, 2, 2, 1)
    narrow = SPEC.model_copy(update={"variance": 1e-4})
    assert np.allclose(LINEAR.data(x, told(narrow, x, 1e-3, Condition()), 1e-3), x, atol=1e-2)


@pytest.mark.parametrize("path", [LINEAR, VP], ids=["linear", "vp"])
def test_guidance_moves_from_any_to_the_component_and_beyond(path) -> None:
    x, spec = RNG.standard_normal((2, 2, 2, 1)), SPEC.model_copy(update={"interpolant": path})
    anything, one = told(spec, x, 0.6, Condition()), told(spec, x, 0.6, Condition("1"))
    assert np.array_equal(told(spec, x, 0.6, Condition("1", 1.0)), one)
    for w in (0.0, 0.5, 3.0):
        assert np.allclose(told(spec, x, 0.6, Condition("1", w)), anything + w * (one - anything), rtol=1e-12)
    mixed = told(spec, x, 0.6, Condition("1", 3.0), Condition("1", 1.0))
    assert np.allclose(mixed[1], one[1], rtol=1e-12)


def test_it_answers_in_the_precision_that_it_is_asked_in() -> None:
    x = RNG.standard_normal((4, 2, 2, 1))
    single = told(SPEC, x.astype(np.float32), 0.3, Condition())
    assert single.dtype == np.float32
    assert np.allclose(single, told(SPEC, x, 0.3, Condition()), rtol=1e-5, atol=1e-5)


def test_a_row_is_its_own_whatever_the_batch() -> None:
    """Also where one row is no number."""
    x, t = RNG.standard_normal((16, 2, 2, 1)), np.linspace(0.1, 1.0, 16)
    conditions = [Condition(str(i % 3), 1.0 + i % 2) for i in range(16)]
    together = SPEC.load().velocity(x, t, conditions)
    spoiled = x.copy()
    spoiled[5] = np.nan
    others = SPEC.load().velocity(spoiled, t, conditions)
    for row in range(16):
        alone = SPEC.load().velocity(x[row : row + 1], t[row : row + 1], conditions[row : row + 1])
        assert np.allclose(alone[0], together[row], rtol=1e-12)
        assert row == 5 or np.allclose(others[row], together[row], rtol=1e-12)
    assert np.isnan(others[5]).all()


def test_a_component_beyond_is_refused() -> None:
    with pytest.raises(EngineRefused, match=r"from 0 to 2, got 'a 3'"):
        told(SPEC, np.zeros((1, 2, 2, 1)), 0.5, Condition("a 3"))


@pytest.mark.parametrize(
    "knobs",
    [
        {"means": ((0.0, 0.0),)},
        {"weights": (1.0, 1.0)},
        {"weights": (1.0, 1.0, 0.0)},
        {"variance": 0.0},
        {"means": ()},
        {"shape": (4, 1, 1), "means": ((0.0, 0.0),)},
    ],
    ids=lambda knobs: next(iter(knobs)),
)
def test_what_is_no_mixture_is_refused(knobs) -> None:
    with pytest.raises(ValidationError):
        Mixture(**KNOBS | knobs)


@pytest.mark.parametrize("shape", [(2, 1, 2), (-2, -2, 1), (-4, 1, -1), (0, 4, 1)])
def test_a_shape_that_cannot_be_shown_is_refused(shape) -> None:
    with pytest.raises(ValidationError, match=r"1 channel \(grey\) or 3 \(red, green, blue\), got \("):
        Mixture(**KNOBS | {"shape": shape})


def test_its_identity_is_what_it_tells_and_not_how_it_is_batched() -> None:
    identity = SPEC.load().identity
    assert SPEC.model_copy(update={"batch": 2}).load().identity == identity
    for change in ({"variance": 0.08}, {"interpolant": VP}, {"weights": ()}):
        assert SPEC.model_copy(update=change).load().identity != identity


def test_it_is_described_and_shows_data_as_grey() -> None:
    model = SPEC.load()
    assert (model.facts.shape, model.facts.has_own, model.facts.is_stepwise) == ((2, 2, 1), False, True)
    assert (model.row_flops, model.decoding_flops) == (6 * 12, 0)
    data = np.array([[-1.0, 1.0], [0.0, 7.0]], np.float32).reshape(1, 2, 2, 1)
    assert model.decode(data).ravel().tolist() == [0, 255, 128, 255]
    with pytest.raises(EngineRefused, match="no sampler of its own"):
        model.own(data, 4, [Condition()])


def test_it_is_saved_as_a_table() -> None:
    assert DENOISERS.build(SPEC.model_dump()) == SPEC
