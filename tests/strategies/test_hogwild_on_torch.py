"""Hogwild! on the torch engine with the embedded abacus model: what one worker writes, and what several do."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.engine import Prompt, Request, Sampling
from ponder.orchestrator.engines.torch import TorchSpec
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Query, Usage
from ponder.orchestrator.workspace import Layout
from ponder.strategies import Hogwild

pytestmark = pytest.mark.asyncio(loop_scope="session")
QUERY = Query.ask("37+52*4-19=")
KNOBS = {
    "instructions": "",
    "opening": "\n",
    "greetings": ("",),
    "step_ends": ("\n",),
    "cue_tokens": 0,
    "answer_opens": "#",
    "answer_ends": "\n",
    "finisher": "",
    "finisher_tokens": 6,
    "chunk": 16,
    "max_tokens": 48,
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def runtime() -> AsyncIterator[Runtime]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runtime = await Runtime({"generator": TorchSpec(model="abacus-generator")}).__aenter__()
    yield runtime
    await runtime.close()


async def test_one_worker_writes_what_the_model_writes_alone(runtime: Runtime) -> None:
    result = await runtime.run(Hogwild(workers=1, layout="contiguous", temperature=0, **KNOBS), QUERY)
    engine = runtime.engines["generator"]
    prompt = Prompt(QUERY.messages, await engine.encode("\n"), "\n")
    alone = await engine.complete(Request(prompt, Sampling(temperature=0, max_tokens=48), 0))
    assert result.best is not None and result.best.parent is not None
    written = result.best.parent
    assert written.text.removesuffix("<...>\n\n") == f"\n{alone.text}"
    assert written.generated_tokens == len(alone.tokens) and result.usage.calls == -(-len(alone.tokens) // 16)
    assert result.answer == alone.text.splitlines()[-1].removeprefix("#")


@pytest.mark.parametrize("layout", ["contiguous", "interleaved", Layout(view=("history", "others"), commits=True)])
async def test_workers_write_the_same_for_the_same_seed_in_the_ids_of_their_text(
    runtime: Runtime, layout: str | Layout
) -> None:
    knobs = Hogwild(workers=3, layout=layout, quorum=2, **KNOBS)
    one, again, other = [await runtime.run(knobs, QUERY, replicate=replicate) for replicate in (0, 0, 1)]
    assert canonical_json(one) == canonical_json(again)
    assert one.candidates != other.candidates
    engine = runtime.engines["generator"]
    for result in (one, other):
        assert result.best is not None and (result.stopped, result.failures) == ("done", 0)
        common = result.best.parent
        assert common is not None and common.tokens == await engine.encode(common.text)
        assert 0 < common.generated_tokens <= 3 * 48


async def test_a_team_that_does_not_fit_the_memory_spends_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with Runtime({"generator": TorchSpec(model="abacus-generator", cache_gib=0.0005)}) as small:
            result = await small.run(Hogwild(workers=4, layout="contiguous", **KNOBS), QUERY)
    assert (result.candidates, result.usage, result.stopped) == ((), Usage(), "error")
    assert "must fit the engine's memory" in result.reason
