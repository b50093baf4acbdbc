"""A server whose models draw from pipelines: asked as any other, and well while the engines within are."""

from __future__ import annotations

import pytest
from scripted import ScriptedEngine, ScriptedSpec
from serving import QUESTION, ask, pipeline

from ponder.orchestrator.engine import EngineSpec
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.pipeline_engine import PipelineEngineSpec
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.served import by_name
from ponder.strategies import BudgetForcing, Sample, SelfConsistency


def voting(engine: EngineSpec, n: int = 3) -> PipelineEngineSpec:
    return PipelineEngineSpec(pipeline=pipeline("vote", SelfConsistency(n=n, max_tokens=64), engine=engine))


async def test_a_client_sees_one_model_and_the_usage_of_all() -> None:
    app = create_app(by_name([pipeline("model", Sample(max_tokens=64), engine=voting(SimulatedSpec()))]))
    async with app.router.lifespan_context(app):
        body = {"model": "model", "messages": QUESTION, "seed": 3}
        plain, cold = await ask(app, body), await ask(app, {**body, "temperature": 0.5, "max_tokens": 9})
    assert plain.json["choices"][0]["message"]["content"].startswith("step 1: ")
    assert cold.json["choices"][0]["finish_reason"] == "length"
    assert cold.json["usage"]["completion_tokens"] == 3 * 9


@pytest.mark.parametrize(("fault", "status"), [("", 200), ("unavailable", 503)])
async def test_it_is_well_while_each_engine_within_makes_a_token(fault: str, status: int) -> None:
    """Also where no answer of the pipeline is as short as one token."""
    within = ScriptedSpec(name="within", fault=fault, continues=True)
    forced = pipeline("forced", BudgetForcing(max_tokens=64, thinking_tokens=32), engine=within)
    app = create_app(by_name([pipeline("model", Sample(), engine=PipelineEngineSpec(pipeline=forced))]))
    async with app.router.lifespan_context(app):
        assert (await ask(app, path="/health", method="GET")).status == status
        assert [each.sampling.max_tokens for each in ScriptedEngine.opened["within"].requests] == [1]
