"""Tools against a real server on loopback: how they are asked for, and how calls come back, whole or streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from scripted_server import ASK, ScriptedServer, answer, choice, opened, request, say, serving, tokenizer
from test_openai_stream import USAGE, streaming

from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.draw import COMPLETION, record_of
from ponder.orchestrator.engine import Capabilities, Completion, Sampling, check_form
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable, ShapeError
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.sampling import LONGEST_TOOLS, tool_tokens
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.tool_turns import check_turns
from ponder.orchestrator.types import Finish, Message, ToolCall, Usage
from ponder.strategies import Rank, Sample, Vote
from ponder.testing.scene import play
from ponder.verifiers import ProcessReward

SAID: dict[str, Any] = {
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": "required",
}
TOOLS = orjson.dumps(SAID).decode()
CALL = ToolCall(id="call_1", name="f", arguments='{"x": 1}')
WIRED = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
TURNS = (
    *ASK.messages,
    Message(role="assistant", content="", calls=(CALL,)),
    Message(role="tool", content="two", call_id="call_1"),
)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with serving() as scripted:
        yield scripted


async def test_calls_go_there_and_come_back_as_openai_has_them(server: ScriptedServer) -> None:
    called = choice(None, "tool_calls", logprobs=None)  # type: ignore[arg-type]
    called["message"]["tool_calls"] = [WIRED]
    server.default = answer(called)
    async with opened(server) as engine:
        assert engine.capabilities.tools
        done = await engine.complete(
            request(prompt=replace(ASK, messages=TURNS, tools=TOOLS), tools=TOOLS, logprobs=True)
        )
    (sent,) = server.sent
    assert {key: sent[key] for key in SAID} == SAID
    assert sent["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [WIRED]},
        {"role": "tool", "content": "two", "tool_call_id": "call_1"},
    ]
    assert (done.text, done.finish, done.calls, done.logprobs) == ("", Finish.CALLED, (CALL,), None)
    assert COMPLETION.validate_json(record_of(done)) == done


async def test_a_call_that_a_server_names_a_stop_is_a_call_and_one_that_is_cut_is_cut(server: ScriptedServer) -> None:
    finishes = []
    async with opened(server) as engine:
        for reason in ("stop", "length"):
            called = choice("Well.", reason)
            called["message"]["tool_calls"] = [WIRED]
            server.default = answer(called)
            done = await engine.complete(request(tools=TOOLS))
            assert done.text == "Well." and done.calls == (CALL,)
            finishes.append(done.finish)
        called["message"]["tool_calls"] = [{"id": "x", "type": "custom", "custom": {"name": "f", "input": ""}}]
        with pytest.raises(EngineUnavailable, match="as OpenAI's does"):
            await engine.complete(request(tools=TOOLS))
    assert finishes == [Finish.CALLED, Finish.TOTAL_LENGTH]


async def test_calls_are_gathered_from_a_stream(server: ScriptedServer) -> None:
    server.models = say(200, {"data": [{"id": "m", "owned_by": "vllm"}]})
    parts: list[dict[str, Any]] = [
        {"content": "Well."},
        {"tool_calls": [{"index": 1, "id": "call_2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f"}}]},
        {
            "tool_calls": [
                {"index": 0, "function": {"arguments": '{"x":'}},
                {"index": 1, "function": {"arguments": "{}"}},
            ]
        },
        {"tool_calls": [{"index": 0, "id": None, "function": {"name": None, "arguments": " 1}"}}]},
    ]
    chunks = [{"choices": [{"delta": part, "token_ids": [i], "finish_reason": None}]} for i, part in enumerate(parts)]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    server.default = streaming(*chunks, {**USAGE, "usage": {"prompt_tokens": 10, "completion_tokens": 5}})
    heard: list[str] = []
    async with opened(server) as engine:
        done = await engine.complete(request(tools=TOOLS), lambda progress: heard.append(progress.text))
    assert (done.text, done.finish) == ("Well.", Finish.CALLED)
    assert done.calls == (CALL, ToolCall(id="call_2", name="g", arguments="{}"))
    assert "".join(heard) == "Well."


async def test_tools_and_calls_are_counted_by_their_bytes_or_by_the_servers_tokenizer(server: ScriptedServer) -> None:
    asked = replace(ASK, messages=TURNS)
    async with opened(server) as engine:
        plain, read, whole = [await engine.count(each) for each in (ASK, asked, replace(asked, tools=TOOLS))]
    assert whole - read == tool_tokens(TOOLS) > 2 * len(TOOLS)
    assert read - plain == 16 * 4 + len("call_1f") + 2 * len(CALL.arguments) + len("two" + "call_1")
    server.speaks_vllm("/v1/chat/completions", "/tokenize", max_model_len=64)
    server.tokenize = tokenizer
    async with opened(server) as engine:
        assert await engine.count(replace(ASK, tools=TOOLS)) == len(ASK.messages[0].content)


async def test_what_a_client_wrote_turns_nothing_off(server: ScriptedServer) -> None:
    quoting = {
        "error": {"message": "Invalid schema for function 'seed': tools, logprobs", "param": "tools[0].function"}
    }
    server.script = [say(400, quoting), say(400, {"error": {"message": "Unrecognized", "param": "seed"}})]
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="Invalid schema"):
            await engine.complete(request(tools=TOOLS))
        assert engine.capabilities.tools and engine.capabilities.seed and engine.capabilities.logprobs
        assert (await engine.complete(request(tools=TOOLS))).text == "4"
        assert not engine.capabilities.seed


async def test_a_server_that_lists_its_fields_is_believed(server: ScriptedServer) -> None:
    server.speaks_vllm()
    async with opened(server) as engine:
        assert not engine.capabilities.tools


async def test_what_calls_nothing_refuses_before_it_writes() -> None:
    with pytest.raises(ShapeError, match="'generator' must be able to call tools"):
        await play(Sample(tools=TOOLS))
    with pytest.raises(EngineRefused, match="must call tools"):
        check_form(Capabilities(), Sampling(tools=TOOLS), "generator")
    with pytest.raises(EngineRefused, match="tools were called"):
        check_turns(Capabilities(), TURNS, "generator")
    for reads in (Vote(), Rank(verifier=ProcessReward())):
        with pytest.raises(ShapeError, match="cannot read calls of tools"):
            Pipeline.series(Sample(n=2, tools=TOOLS), reads).infer(Shape(), Plan())


def test_what_has_no_tools_is_saved_as_before() -> None:
    made = Completion((1,), 'a,"calls":[]}', Finish.EOS, Usage())
    assert b"tools" not in canonical_json((Sampling(), Sample()))
    assert canonical_json(ASK.messages) == b'[{"content":"2+2?","role":"user"}]'
    assert (
        record_of(made).endswith(b',"confidences":null,"pieces":null}')
        and COMPLETION.validate_json(record_of(made)) == made
    )
    for bad in ("[]", "{", '{"tools":[]}', '{"tools":[{}],"model":"m"}', '{"tools":["' + "x" * LONGEST_TOOLS + '"]}'):
        with pytest.raises(ValidationError, match="tools"):
            Sampling(tools=bad)
