"""JSON schemas against a real server on loopback: how a form is asked for, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from pydantic import ValidationError
from scripted_server import ScriptedServer, answer, choice, opened, request, say, serving

from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.engine import Capabilities, Sampling, check_form
from ponder.orchestrator.errors import EngineRefused, ShapeError
from ponder.orchestrator.sampling import LONGEST_SCHEMA
from ponder.strategies import BestOfN, Sample
from ponder.testing.scene import play
from ponder.verifiers import ProcessReward

FORM = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "string"}}, "required": ["b"]}
SCHEMA = orjson.dumps(FORM).decode()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with serving() as scripted:
        yield scripted


async def test_a_form_is_asked_for_as_openai_has_it(server: ScriptedServer) -> None:
    async with opened(server) as engine:
        assert engine.capabilities.structured
        await engine.complete(request(json_schema=SCHEMA))
        await engine.complete(request(json_schema='{"type": "object"}'))
        await engine.complete(request())
    first, second, third = server.sent
    form = {"name": "answer", "schema": FORM, "strict": True}
    assert first["response_format"] == {"type": "json_schema", "json_schema": form}
    assert list(first["response_format"]["json_schema"]["schema"]["properties"]) == ["b", "a"]
    assert second["response_format"] == {"type": "json_object"}
    assert "response_format" not in third


async def test_a_server_that_takes_no_form_is_found_out_once(server: ScriptedServer) -> None:
    server.script = [say(400, {"error": {"message": "Unrecognized request argument", "param": "response_format"}})]
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="response_format"):
            await engine.complete(request(json_schema=SCHEMA))
        assert not engine.capabilities.structured
        with pytest.raises(EngineRefused, match="by its field 'response_format', which it does not take"):
            await engine.complete(request(json_schema=SCHEMA))
    assert len(server.sent) == 1


async def test_a_schema_that_is_refused_says_nothing_of_others(server: ScriptedServer) -> None:
    message = "Invalid schema for response_format 'answer': 'strange' is not valid"
    server.script = [say(400, {"error": {"message": message, "param": "response_format"}})]
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="Invalid schema"):
            await engine.complete(request(json_schema=SCHEMA))
        assert engine.capabilities.structured


async def test_a_server_that_lists_its_fields_is_believed(server: ScriptedServer) -> None:
    server.speaks_vllm()
    async with opened(server, api="completions") as engine:
        assert not engine.capabilities.structured


def test_what_asks_for_no_form_is_saved_as_before() -> None:
    assert b"json_schema" not in canonical_json((Sampling(), Sample()))
    assert b"json_schema" in canonical_json(Sampling(json_schema=SCHEMA))
    for bad in ("[]", "{", "3", '{"a": "' + "x" * LONGEST_SCHEMA + '"}'):
        with pytest.raises(ValidationError, match="json_schema"):
            Sampling(json_schema=bad)


async def test_an_engine_that_holds_to_no_form_is_refused_before_it_writes() -> None:
    for strategy in (Sample(json_schema="{}"), BestOfN(n=2, verifier=ProcessReward(), json_schema="{}")):
        with pytest.raises(ShapeError, match="'generator' must be able to hold what it writes to a JSON schema"):
            await play(strategy)
    with pytest.raises(EngineRefused, match="leave json_schema out"):
        check_form(Capabilities(), Sampling(json_schema="{}"), "generator")


@pytest.mark.parametrize("api", ["chat", "completions"])
async def test_each_token_tells_what_it_adds_to_the_text(server: ScriptedServer, api: str) -> None:
    listed = {"chat": {"content": [{"token": "4", "logprob": -0.5}, {"token": "2", "logprob": -1}]}}
    listed["completions"] = {"tokens": ["4", "2"], "token_logprobs": [-0.5, -1.0]}  # type: ignore[dict-item]
    server.default = answer(choice("42", logprobs=listed[api]) | {"text": "42"})
    async with opened(server, api=api) as engine:
        drawn = await engine.complete(request(logprobs=True))
        plain = await engine.complete(request())
    assert (drawn.text, drawn.pieces, drawn.logprobs) == ("42", ("4", "2"), (-0.5, -1.0))
    assert plain.pieces is None
