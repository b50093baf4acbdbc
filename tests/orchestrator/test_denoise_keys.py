"""What a passage is paid for under: all that decides what it makes, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from image_stage import JUDGE, ImageStage

from ponder.orchestrator.denoising import Flow
from ponder.orchestrator.engines.diffusion import DiffusionEngine
from ponder.orchestrator.images import Latent
from ponder.orchestrator.interpolants import LINEAR, VP
from ponder.orchestrator.passing import Denoise, Move
from ponder.orchestrator.types import Query, Usage
from ponder.testing.image_world import PICTURE, SHAPE, denoising

VALUES = np.linspace(-1, 1, 4, dtype=np.float32).reshape(SHAPE)
START = Latent.of(VALUES, 0.75)
ASK = Denoise(PICTURE, Flow(interpolant=LINEAR), [Move(START, (0.5, 0.25))], looks=True, decodes=False)
CALM = denoising(0.3)


def moved(latent: Latent = START, times: tuple[float, ...] = (0.5, 0.25)) -> Denoise:
    return replace(ASK, moves=[Move(latent, times)])


def flowing(**knobs) -> Denoise:
    return replace(ASK, flow=replace(ASK.flow, **knobs))


OTHERS = {
    "guidance": flowing(guidance=2.0),
    "interpolant": flowing(interpolant=VP),
    "solver": flowing(solver="heun"),
    "no prompt": flowing(is_conditional=False),
    "prompt": replace(ASK, query=Query.ask("Can you draw a 2?")),
    "engine": replace(ASK, engine="calm"),
    "t": moved(Latent.of(VALUES, 0.875)),
    "values": moved(Latent.of(VALUES[::-1], 0.75)),
    "known velocity": moved(Latent.of(VALUES, 0.75, VALUES)),
    "times": moved(times=(0.5, 0.125)),
    "fewer times": moved(times=(0.25,)),
    "decodes": replace(ASK, decodes=True),
    "looks": replace(ASK, looks=False),
}
EQUALS = {
    "itself": ASK,
    "a copy": moved(Latent.of(VALUES.copy(), 0.75)),
    "the id of the query": replace(ASK, query=PICTURE.model_copy(update={"id": "another", "reference": "2"})),
    "what is set aside": replace(ASK, then=JUDGE, leaving=Usage(nfe=3)),
    "another engine of that identity": replace(ASK, engine="twin"),
}


async def paid(asks: list[Denoise]) -> int:
    """How many effects some asks are: each is one call that is charged."""
    stage = ImageStage()
    stage.run.engines |= {"calm": DiffusionEngine(CALM), "twin": DiffusionEngine(denoising())}
    stage.run.gates |= {name: stage.run.gates["generator"] for name in ("calm", "twin")}
    for number, ask in enumerate(asks):
        [made] = await stage.ctx.child(str(number), "test").denoise(ask)
        assert made is not None
    return stage.account.spent.calls


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_asks_that_differ_in_one_thing_are_two_effects(other: Denoise) -> None:
    assert await paid([ASK, other]) == 2


@pytest.mark.parametrize("other", EQUALS.values(), ids=EQUALS)
async def test_asks_that_make_the_same_are_one(other: Denoise) -> None:
    assert await paid([ASK, other]) == 1
