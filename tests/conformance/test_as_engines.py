"""Every registered strategy of texts can stand in for a model: a draw is a run of it, which costs what was foreseen."""

from __future__ import annotations

import pytest
from test_strategies import CASES

from ponder.orchestrator.budget import amounts
from ponder.orchestrator.canonical import stable_id
from ponder.orchestrator.engine import Prompt, Request, Sampling
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.parts import needing_reference
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.pipeline_engine import PipelineEngineSpec
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Query
from ponder.testing.scene import QUERY, WORLD, medium

PRICED = {"prompt_price": 3.0, "completion_price": 15.0}
LONG = 4096


def is_asked_alone(case: str) -> bool:
    return medium(CASES[case]) == "text" and needing_reference(CASES[case]) is None


@pytest.mark.parametrize("case", filter(is_asked_alone, CASES))
async def test_a_draw_is_a_run(case: str) -> None:
    """The text and the usage of a run with the draw's seed, between the least and the most that the meter tells."""
    strategy = CASES[case]
    names = dict.fromkeys((*strategy.engine_names(), "generator"))
    worlds = {name: WORLD.model_copy(update={"wrong_answers": 5 + i}) for i, name in enumerate(names)}
    engines = {name: SimulatedSpec(world=world, reward_noise=1.0, **PRICED) for name, world in worlds.items()}
    pipeline = Pipeline.series(strategy, engines=engines)
    engine = PipelineEngineSpec(pipeline=pipeline).open()
    await engine.start()
    prompt = Prompt(QUERY.messages)
    request = Request(prompt, Sampling(max_tokens=LONG), seed=11)
    drawn, again = await engine.complete(request), await engine.complete(request)
    await engine.close()

    async with Runtime(engines, seed=11) as runtime:
        alone = await runtime.run(pipeline, Query(id=stable_id(prompt.messages), messages=prompt.messages))
    assert alone.text and drawn == again and (drawn.text, drawn.usage) == (alone.text, alone.usage)
    tokens = await engine.count(prompt)
    brackets = engine.meter.shortest(tokens), drawn.usage, engine.meter.generation(tokens, LONG)
    assert all(least <= cost <= most for least, cost, most in zip(*map(amounts, brackets), strict=True))
