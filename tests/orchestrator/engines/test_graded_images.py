"""A model that sees grades the images of a search: all of it within the budget, images and their tokens included."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import orjson
import pytest
from aiohttp import web
from scripted_server import ScriptedServer, answer, choice, serving

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import EngineSpec
from ponder.orchestrator.engines.denoisers import Mixture
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.openai import OpenAISpec
from ponder.orchestrator.errors import BudgetExceeded
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Query
from ponder.strategies import SVDD, RandomNoiseSearch
from ponder.verifiers import ScalarJudge

IMAGE_TOKENS = 70
MEANS = tuple(tuple(row) for row in np.random.default_rng(0).uniform(-0.8, 0.8, (3, 16)).tolist())
JUDGE = ScalarJudge(engine="judge", form="written", signed=False, max_tokens=40)
QUERY = Query.ask("draw a 2, please, " + "and make it as large as you can, " * 40)


async def rate(asked: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
    """A rating that follows from the image; every byte of the prompt is a token, and so many are the image's."""
    text, image = sent["messages"][-1]["content"]
    digit = 1 + sum(image["image_url"]["url"].encode()) % 9
    reading = len(text["text"].encode()) + 16 + IMAGE_TOKENS
    return await answer(choice(f"So be it.\n[{digit}]"), prompt=reading, completion=12)(asked, sent)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with serving() as scripted:
        scripted.default = rate
        yield scripted


def engines(server: ScriptedServer) -> dict[str, EngineSpec]:
    return {
        "generator": DiffusionSpec(denoiser=Mixture(means=MEANS, variance=0.05, shape=(4, 4, 1))),
        "judge": OpenAISpec(base_url=server.base_url, model="m", image_tokens=IMAGE_TOKENS),
    }


@pytest.mark.parametrize(
    "strategy",
    [
        RandomNoiseSearch(n=5, steps=2, verifier=JUDGE, conditional=False),
        SVDD(n=3, steps=4, verifier=JUDGE, conditional=False),
    ],
    ids=["random", "svdd"],
)
async def test_what_it_may_cost_covers_what_it_costs(server: ScriptedServer, strategy: Strategy) -> None:
    async with Runtime(engines(server)) as runtime:
        most = (await runtime.estimate(strategy, QUERY)).most
        budget = Budget(prompt_tokens=most.prompt_tokens, nfe=most.nfe, verifier_calls=most.verifier_calls)
        result = await runtime.run(strategy, QUERY, budget)
        assert result.stopped == "done" and not result.failures
        assert result.best is not None and result.best.image is not None
        assert all(candidate.scores[JUDGE.name].value is not None for candidate in result.candidates)
        best = result.best.scores[JUDGE.name].value
        assert best == max(candidate.scores[JUDGE.name].value or 0 for candidate in result.candidates)
    assert result.usage.prompt_tokens <= most.prompt_tokens
    assert result.usage.verifier_calls == len(server.sent) <= most.verifier_calls
    assert len({orjson.dumps(sent["messages"]) for sent in server.sent}) == len(server.sent)


async def test_within_any_budget_an_image_that_is_begun_is_finished_and_graded(server: ScriptedServer) -> None:
    search = SVDD(n=3, steps=4, verifier=JUDGE, conditional=False)
    async with Runtime(engines(server)) as runtime:
        most = (await runtime.estimate(search, QUERY)).most.prompt_tokens
        outcomes = []
        for share in range(1, 25):
            limit = most * share // 24
            try:
                result = await runtime.run(search, QUERY, Budget(prompt_tokens=limit))
            except BudgetExceeded:
                outcomes.append("refused")
                continue
            assert result.usage.prompt_tokens <= limit
            assert result.best is not None and result.best.finish.is_complete
            assert result.best.scores[JUDGE.name].value is not None
            outcomes.append(result.stopped)
    assert outcomes[0] == "refused" and "budget" in outcomes and outcomes[-1] == "done"
