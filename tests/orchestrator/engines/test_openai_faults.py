"""The openai engine against a real server on loopback that misbehaves as it is told."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web
from scripted_server import (
    Behaviour,
    ScriptedServer,
    answer,
    choice,
    cut,
    cut_in_body,
    drip,
    hang,
    opened,
    refuses,
    request,
    say,
    serving,
)

from ponder.orchestrator.engines.openai import OpenAISpec
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with serving() as scripted:
        yield scripted


@pytest.mark.parametrize("shape", ["openai", "fastapi"])
@pytest.mark.parametrize("field", ["seed", "return_token_ids"])
async def test_a_field_that_the_server_refuses_is_left_out_from_then_on(
    server: ScriptedServer, field: str, shape: str
) -> None:
    server.models = say(200, {"data": [{"id": "m", "owned_by": "vllm"}]})
    server.default = refuses(field, 400 if shape == "openai" else 422, shape)
    async with opened(server) as engine:
        assert (await engine.complete(request())).text == "4"
        await engine.complete(request(seed=9))
        assert not (engine.capabilities.seed if field == "seed" else engine.capabilities.token_ids)
    assert [field in sent for sent in server.sent] == [True, False, False]


async def test_the_newer_name_of_max_tokens_is_used_where_it_must(server: ScriptedServer) -> None:
    told = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    server.script = [say(400, {"error": {"message": told, "param": "max_tokens"}})]
    async with opened(server) as engine:
        await engine.complete(request())
    assert server.sent[1]["max_completion_tokens"] == 20
    assert "max_tokens" not in server.sent[1]


async def test_a_server_that_refuses_everything_is_not_asked_for_ever(server: ScriptedServer) -> None:
    told = "seed logprobs return_token_ids include_stop_str_in_output max_tokens max_completion_tokens"
    server.default = say(400, {"error": {"message": told}})
    server.speaks_vllm()
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="answered 400"):
            await engine.complete(request())
        assert len(server.sent) <= 5


async def test_what_is_needed_and_refused_ends_the_draw(server: ScriptedServer) -> None:
    server.default = refuses("logprobs")
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="Unrecognized request argument"):
            await engine.complete(request(logprobs=True))
        with pytest.raises(EngineRefused, match="log-probabilities must be had"):
            await engine.complete(request(logprobs=True))
        assert not engine.capabilities.logprobs


@pytest.mark.parametrize(("status", "is_free"), [(429, True), (503, True), (500, False), (502, False), (408, False)])
async def test_what_is_worth_another_try(server: ScriptedServer, status: int, is_free: bool) -> None:
    server.default = say(status, {"error": {"message": "busy\x1b[31m"}}, Retry_After="2")
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable, match=rf"answered {status} \(busy \[31m\)") as caught:
            await engine.complete(request())
    assert (caught.value.is_free, caught.value.retry_after_s) == (is_free, 2.0)


@pytest.mark.parametrize(
    ("header", "low", "high"), [("0", 0, 0), ("soon", 20, 100), ("99999", 600, 600), ("past", 0, 0)]
)
async def test_retry_after_is_seconds_or_a_date(server: ScriptedServer, header: str, low: float, high: float) -> None:
    dates = {"soon": time.time() + 100, "past": 0.0}
    header = formatdate(dates[header], usegmt=True) if header in dates else header
    server.default = say(429, {}, Retry_After=header)
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable) as caught:
            await engine.complete(request())
    assert caught.value.retry_after_s is not None
    assert low <= caught.value.retry_after_s <= high


@pytest.mark.parametrize(
    ("status", "remedy"), [(400, "change the request"), (404, "check base_url"), (402, "change the request")]
)
async def test_what_is_not_worth_another_try(server: ScriptedServer, status: int, remedy: str) -> None:
    server.default = say(status, {"error": {"message": "no"}})
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match=remedy):
            await engine.complete(request())
    assert len(server.sent) == 1


async def test_redirects_are_not_followed(server: ScriptedServer) -> None:
    server.default = say(307, {}, Location="http://169.254.169.254/")
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="redirects are not followed"):
            await engine.complete(request())


@pytest.mark.parametrize(
    "behaviour",
    [
        say(200, b"<html>"),
        say(200, b""),
        say(200, []),
        say(200, {"choices": "x"}),
        answer(choice(), choice()),
        say(200, {"choices": []}),
        answer({"index": 0}),
        answer(usage={"prompt_tokens": "many", "completion_tokens": 1}),
        answer(usage={"prompt_tokens": -1, "completion_tokens": 1}),
        answer(usage={"prompt_tokens": 1}),
    ],
)
async def test_an_answer_that_cannot_be_read_may_have_cost_its_bound(
    server: ScriptedServer, behaviour: Behaviour
) -> None:
    server.default = behaviour
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable, match="the server must answer") as caught:
            await engine.complete(request())
    assert not caught.value.is_free


@pytest.mark.parametrize("behaviour", [cut, cut_in_body])
async def test_a_cut_connection_may_have_cost_its_bound(server: ScriptedServer, behaviour: Behaviour) -> None:
    server.default = behaviour
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable, match="broke the connection off") as caught:
            await engine.complete(request())
        assert not caught.value.is_free
        server.default = answer()
        assert (await engine.complete(request())).text == "4"


@pytest.mark.parametrize("behaviour", [hang, drip])
async def test_the_time_limit_is_hard(server: ScriptedServer, behaviour: Behaviour) -> None:
    server.default = behaviour
    async with opened(server, timeout_s=0.3) as engine:
        begun = time.monotonic()
        calls = [engine.complete(request(seed=i)) for i in range(5)]
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, EngineUnavailable)
            assert "must answer within 0.3 s" in str(error)
            assert not error.is_free
        assert time.monotonic() - begun < 20
        server.default = answer()
        assert (await engine.complete(request())).text == "4"
    assert server.cancelled == 5


async def test_cancelling_a_call_closes_its_request_at_the_server(server: ScriptedServer) -> None:
    server.default = hang
    async with opened(server) as engine:
        call = asyncio.create_task(engine.complete(request()))
        while not server.open:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(5):
            while not server.cancelled:
                await asyncio.sleep(0.01)


async def test_a_body_without_end_is_cut_off(server: ScriptedServer) -> None:
    async def flood(request: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * (1 << 20))

    server.default = flood
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable, match="at most 32 MiB"):
            await engine.complete(request())


async def test_an_unreachable_server_is_named_with_its_remedy() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        engine = OpenAISpec(base_url=f"http://127.0.0.1:{unused.getsockname()[1]}/v1", model="m").open()
        with pytest.raises(EngineUnavailable, match=r"must be reachable.*start the server or fix base_url") as caught:
            await engine.start()
    assert caught.value.is_free
    await engine.close()
