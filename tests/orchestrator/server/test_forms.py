"""A request for JSON reaches the engine as a schema, or is refused by name."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import BaseModel
from scripted import ScriptedEngine, ScriptedSpec
from serving import QUESTION, ask, pipeline, serving, single
from starlette.applications import Starlette

from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.refusal import Refusal
from ponder.orchestrator.server.served import by_name
from ponder.orchestrator.server.wire import read_request
from ponder.strategies import BeamSearch, SelfConsistency
from ponder.verifiers import ProcessReward

FORMING = ScriptedSpec(name="forming", structured=True, text='{"b":1,"a":"x"}')
SCHEMA = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "string"}}}
NAMED = {"name": "answer", "schema": SCHEMA}


class Parsed(BaseModel):
    b: int
    a: str


def body(model: str, **response_format: Any) -> dict[str, Any]:
    return {"model": model, "messages": QUESTION, "response_format": response_format}


def application() -> Starlette:
    steps = pipeline("steps", BeamSearch(n=2, beam_width=2, verifier=ProcessReward(engine="generator")))
    votes = pipeline("votes", SelfConsistency(n=2), engine=FORMING)
    return create_app(by_name([votes, steps, single("free", ScriptedSpec(name="free"))]))


async def test_each_draw_is_held_to_the_schema() -> None:
    app = application()
    async with app.router.lifespan_context(app):
        told = {"type": "json_schema", "json_schema": {**NAMED, "description": "Two.", "strict": True}}
        for asked in ({"type": "text"}, {"type": "json_object"}, {"type": "json_schema", "json_schema": NAMED}, told):
            answered = await ask(app, body("votes", **asked))
            assert (answered.status, answered.json["choices"][0]["message"]["content"]) == (200, FORMING.text)
    requests = ScriptedEngine.opened["forming"].requests
    schemas = [request.sampling.json_schema for request in requests]
    plain = orjson.dumps(SCHEMA).decode()
    described = orjson.dumps({"description": "Two.", **SCHEMA}).decode()
    assert schemas == [each for each in (None, '{"type":"object"}', plain, described) for _ in range(2)]


@pytest.mark.parametrize(("model", "said"), [("free", "the engine behind"), ("steps", "cannot follow")])
async def test_a_model_that_cannot_refuses(model: str, said: str) -> None:
    app = application()
    async with app.router.lifespan_context(app):
        refused = await ask(app, body(model, type="json_object"))
        plain = await ask(app, body("free", type="text"))
    assert (refused.status, refused.error["param"], plain.status) == (400, "response_format", 200)
    assert said in refused.error["message"]


async def test_a_schema_that_the_engine_refuses_is_the_clients_fault() -> None:
    picky = ScriptedSpec(name="picky", structured=True, fault="refused")
    app = create_app(by_name([single("picky", picky)]))
    async with app.router.lifespan_context(app):
        refused = await ask(app, body("picky", type="json_schema", json_schema=NAMED))
    assert (refused.status, refused.error["code"]) == (400, "engine_refused")


def test_the_real_client_parses_what_it_asked_for() -> None:
    import openai

    with serving([single("forming", FORMING)]) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        done = client.chat.completions.parse(model="forming", messages=QUESTION, response_format=Parsed)
    assert done.choices[0].message.parsed == Parsed(b=1, a="x")


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"type": "json_schema"}, "response_format"),
        ({"type": "json_object", "json_schema": NAMED}, "response_format"),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"schema": {}}}, "response_format.json_schema.name"),
        ({"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}, "response_format.json_schema.name"),
        ({"type": "json_schema", "json_schema": {**NAMED, "schema": []}}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {**NAMED, "more": 1}}, "response_format.json_schema.more"),
        ({"type": "json_schema", "json_schema": {**NAMED, "schema": nested(33)}}, "response_format.json_schema"),
        (
            {"type": "json_schema", "json_schema": {**NAMED, "schema": {"$ref": "http://127.0.0.1/"}}},
            "response_format.json_schema",
        ),
        (
            {"type": "json_schema", "json_schema": {**NAMED, "schema": {"a": "x" * 65_536}}},
            "response_format.json_schema",
        ),
    ],
)
def test_what_is_no_form_is_refused_by_name(asked: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_request(body("m", **asked))
    assert (caught.value.status, caught.value.param) == (400, param)
    read_request(body("m", type="json_schema", json_schema={**NAMED, "schema": nested(30)}))
