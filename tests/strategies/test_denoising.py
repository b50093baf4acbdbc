"""What all strategies that make images keep to: knobs that fit together, an engine that is there, and their times."""

from typing import Any

import pytest
from blobs import ENGINES
from image_rewards import BRIGHT
from pydantic import ValidationError

from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.strategies import (
    SVDD,
    DenoisingBeam,
    DenoisingRebase,
    FeynmanKac,
    PathSearch,
    RandomNoiseSearch,
    RolloverBudgetForcing,
    ZeroOrderSearch,
)
from ponder.strategies.denoising import between
from ponder.strategies.path_states import Excursions

WHOLE = (RandomNoiseSearch, ZeroOrderSearch)
EVERY = (*WHOLE, SVDD, DenoisingBeam, DenoisingRebase, FeynmanKac, PathSearch, RolloverBudgetForcing)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_guidance_without_the_prompt_is_refused(kind, guidance) -> None:
    with pytest.raises(ValidationError, match=rf"guidance must be 1 where conditional is false, .* got {guidance}"):
        kind(verifier=BRIGHT, conditional=False, guidance=guidance)
    assert not kind(verifier=BRIGHT, conditional=False).flow().is_conditional
    assert kind(verifier=BRIGHT, guidance=guidance).flow().guidance == guidance


@pytest.mark.parametrize("kind", WHOLE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("knobs", [{"interpolant": "linear"}, {"grid": "exponential"}], ids=str)
def test_the_denoisers_own_sampler_goes_its_own_way(kind, knobs: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="interpolant must be 'own' and grid 'uniform' where solver is 'own'"):
        kind(verifier=BRIGHT, solver="own", **knobs)
    assert kind(verifier=BRIGHT, solver="own").solver == "own"
    assert kind(verifier=BRIGHT, solver="heun", **knobs).solver == "heun"


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_an_engine_that_is_not_there_is_refused(kind) -> None:
    plan = Plan({name: spec.open() for name, spec in ENGINES.items()})
    told = r"engine 'painter' must be one of the pipeline's engines \(generator, reward\)"
    with pytest.raises(ShapeError, match=told):
        kind(verifier=BRIGHT, engine="painter").infer(Shape(), plan)


def test_an_exponential_grid_between_two_times_is_a_part_of_the_whole_grid() -> None:
    assert between(0.8, 0.0, 2, "exponential") == pytest.approx((0.6, 0.0), abs=1e-15)
    assert between(0.8, 0.6, 2, "exponential") == pytest.approx((0.51**0.5, 0.6), abs=1e-15)
    whole = between(1.0, 0.0, 10, "exponential")
    assert between(whole[2], whole[7], 5, "exponential") == pytest.approx(whole[3:8], abs=1e-15)


@pytest.mark.parametrize(("is_judged", "after"), [(True, [7, 3, 0]), (False, [7, 4, 0])])
def test_what_is_left_from_a_stop_is_all_but_what_was_looked_at(is_judged, after) -> None:
    times = Excursions((0.9, 0.5, 0.0), 0.05, steps=8, backward_steps=2, grid="uniform", is_judged=is_judged)
    assert [times.evaluations_after(stop) for stop in range(3)] == after
    assert [len(times.rest(stop)) for stop in range(3)] == [7, 4, 0]
