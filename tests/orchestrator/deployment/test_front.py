"""Before the proxies of Ray Serve: what they leave unsaid is said, in the server's words."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from ponder.orchestrator.deployment.front import Front

OK = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
STREAM = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
CHAT = "/v1/chat/completions"


async def through(*messages: Message, path: str = CHAT, headers: Any = ()) -> tuple[list[Message], Scope]:
    """What a client gets where the proxy sends these messages, and what the proxy got."""
    seen: list[Message] = []
    scope: Scope = {"type": "http", "path": path, "headers": list(headers)}

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    async def send(message: Message) -> None:
        seen.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    await Front(proxy)(scope, receive, send)
    return seen, scope


def body(text: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": more}


async def test_what_is_whole_passes_as_it_is() -> None:
    seen, _ = await through(OK, body(b"{", more=True), body(b"}"))
    assert seen == [OK, body(b"{", more=True), body(b"}")]


async def test_a_response_that_never_came_is_a_503_to_try_again() -> None:
    (start, told), _ = await through()
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"1")
    assert orjson.loads(told["body"])["error"]["code"] == "replica_lost"


@pytest.mark.parametrize(("path", "name"), [(CHAT, b""), ("/v1/responses", b"event: error\n")])
async def test_a_stream_that_is_cut_ends_with_an_error(path: str, name: bytes) -> None:
    seen, _ = await through(STREAM, body(b"data: {}\n\n", more=True), path=path)
    last = seen[-1]
    assert (
        not last.get("more_body", False)
        and last["body"].startswith(name + b"data: ")
        and last["body"].endswith(b"\n\n")
    )
    assert orjson.loads(last["body"].removeprefix(name).removeprefix(b"data: "))["error"]["code"] == "replica_lost"


@pytest.mark.parametrize(("status", "told"), [(503, 503), (408, 408), (404, 503)])
async def test_the_proxys_own_errors_are_worded(status: int, told: int) -> None:
    plain = {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]}
    (start, error), _ = await through(plain, body(b"Request dropped"))
    assert start["status"] == told
    assert set(orjson.loads(error["body"])["error"]) == {"message", "type", "param", "code"}


async def test_the_routes_of_the_proxy_are_not_told_and_its_probe_is() -> None:
    (start, _), _ = await through(OK, body(b"{}"), path="/-/routes")
    assert start["status"] == 404
    seen, _ = await through(OK, body(b"success"), path="/-/healthz")
    assert seen == [OK, body(b"success")]


async def test_one_request_id_and_no_orders_to_the_proxy() -> None:
    twice = {**OK, "headers": [(b"x-request-id", b"chatcmpl-1"), (b"X-Request-ID", b"other")]}
    sent = [(b"x-request-disconnect-disabled", b"1"), (b"x-request-timeout-seconds", b"1"), (b"accept", b"*/*")]
    (start, _), scope = await through(twice, body(b"{}"), headers=sent)
    assert start["headers"] == [(b"x-request-id", b"chatcmpl-1")]
    assert scope["headers"] == [(b"accept", b"*/*")]
