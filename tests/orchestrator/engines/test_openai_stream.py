"""A streamed answer of a server is the whole answer, told as it comes; where it cannot be, the draw goes without."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from scripted_server import ASK, Behaviour, ScriptedServer, answer, choice, opened, refuses, request, say, serving

from ponder.orchestrator.engine import Progress
from ponder.orchestrator.errors import EngineUnavailable
from ponder.orchestrator.types import Finish, Usage

USAGE = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}}
ENDED = {"finish_reason": "stop", "stop_reason": "!"}
CHUNKS = (
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"content": "It is"}, "token_ids": [5, 6], "finish_reason": None}]},
    {
        "choices": [
            {"index": 0, "delta": {"content": "!"}, "token_ids": [7], "finish_reason": "stop", "stop_reason": "!"}
        ]
    },
)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with serving() as scripted:
        scripted.models = say(200, {"data": [{"id": "m", "owned_by": "vllm"}]})
        yield scripted


def streaming(*chunks: dict[str, Any], end: bytes = b"data: [DONE]\n\n", size: int = 7) -> Behaviour:
    """Answers with events, their bytes in pieces of `size`."""

    async def behave(asked: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(asked)
        raw = b": a comment\n\n" + b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + end
        for start in range(0, len(raw), size):
            await response.write(raw[start : start + size])
        await response.write_eof()
        return response

    return behave


async def test_a_stream_is_told_as_it_comes_and_gathered(server: ScriptedServer) -> None:
    server.default = streaming(*CHUNKS, USAGE)
    heard: list[Progress] = []
    async with opened(server) as engine:
        assert engine.capabilities.streams
        done = await engine.complete(request(stop=("!",)), heard.append)
    assert (done.text, done.tokens, done.finish) == ("It is!", (5, 6, 7), Finish.STOP)
    assert done.usage == Usage(10, 0, 3, calls=1)
    assert heard == [Progress(0, ""), Progress(2, "It is"), Progress(3, "!")]
    assert server.sent[0]["stream"] is True and server.sent[0]["stream_options"] == {"include_usage": True}


async def test_log_probabilities_of_all_chunks_come_in_order(server: ScriptedServer) -> None:
    told = [{"content": [{"token": "a", "logprob": -value, "top_logprobs": []}]} for value in (0.5, 1.5)]
    chunks = [
        {"choices": [{"delta": {"content": "a"}, "token_ids": [1], "logprobs": each, "finish_reason": end}]}
        for each, end in zip(told, (None, "length"), strict=True)
    ]
    server.default = streaming(*chunks, USAGE)
    async with opened(server) as engine:
        done = await engine.complete(request(logprobs=True), lambda told: None)
    assert done.logprobs == (-0.5, -1.5) and done.finish is Finish.TOTAL_LENGTH


@pytest.mark.parametrize("field", ["stream", "stream_options"])
async def test_a_server_that_refuses_to_stream_draws_without_progress(server: ScriptedServer, field: str) -> None:
    server.default = refuses(field)
    heard: list[Progress] = []
    async with opened(server) as engine:
        assert (await engine.complete(request(), heard.append)).text == "4"
        assert not engine.capabilities.streams
        await engine.complete(request(), heard.append)
    assert ["stream" in sent for sent in server.sent] == [True, False, False] and not heard


async def test_a_server_that_is_not_known_to_count_its_stream_is_not_asked_for_one(server: ScriptedServer) -> None:
    server.models = say(200, {"data": [{"id": "m", "owned_by": "x"}]})
    async with opened(server) as engine:
        assert not engine.capabilities.streams
        await engine.complete(request(), lambda told: None)
    assert "stream" not in server.sent[0]


@pytest.mark.parametrize(
    "behaviour",
    [
        streaming(*CHUNKS[:2]),
        streaming(*CHUNKS[:2], {"error": {"message": "it fell over", "code": 500}}),
        streaming(*CHUNKS[:2], end=b"data: {not json\n\n"),
    ],
)
async def test_a_stream_that_breaks_off_is_no_answer(server: ScriptedServer, behaviour: Behaviour) -> None:
    server.default = behaviour
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable, match="must answer as OpenAI's does") as caught:
            await engine.complete(request(), lambda told: None)
    assert not caught.value.is_free


async def test_a_busy_server_says_so_before_it_streams(server: ScriptedServer) -> None:
    server.default = say(429, {"error": {"message": "busy"}}, Retry_After="2")
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable) as caught:
            await engine.complete(request(), lambda told: None)
    assert caught.value.retry_after_s == 2.0


async def test_a_stream_without_end_is_cut_off_in_time(server: ScriptedServer) -> None:
    async def drip(asked: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(asked)
        while True:
            await response.write(b"data: " + json.dumps(CHUNKS[1]).encode() + b"\n\n")
            await asyncio.sleep(0.02)

    server.default = drip
    heard: list[Progress] = []
    async with opened(server, timeout_s=0.2) as engine:
        with pytest.raises(EngineUnavailable, match=r"within 0\.2 s"):
            await engine.complete(request(), heard.append)
        async with asyncio.timeout(5):
            while not server.cancelled:
                await asyncio.sleep(0.01)
    assert heard


@pytest.mark.parametrize("knows", [True, False])
async def test_a_salt_goes_where_it_is_known(server: ScriptedServer, knows: bool) -> None:
    if not knows:
        server.models = say(200, {"data": [{"id": "m", "owned_by": "x"}]})
    server.default = answer(choice())
    async with opened(server) as engine:
        await engine.complete(request(prompt=replace(ASK, salt="mine")))
        await engine.complete(request())
    assert [sent.get("cache_salt") for sent in server.sent] == (["mine", None] if knows else [None, None])
