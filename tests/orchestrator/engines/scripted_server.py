"""A real HTTP server on loopback that answers as OpenAI's does, or misbehaves as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from ponder.orchestrator.engine import Prompt, Request, Sampling
from ponder.orchestrator.engines.openai import OpenAIEngine, OpenAISpec
from ponder.orchestrator.types import Message

Behaviour = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]
ASK = Prompt((Message(role="user", content="2+2?"),))
SAMPLING = Sampling(max_tokens=20)
VLLM_FIELDS = (
    "messages",
    "seed",
    "logprobs",
    "max_tokens",
    "return_token_ids",
    "include_stop_str_in_output",
    "logprob_token_ids",
    "continue_final_message",
)


def choice(text: str = "4", reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason, **more}


def answer(*choices: dict[str, Any], prompt: int = 10, completion: int = 5, **more: Any) -> Behaviour:
    """A good completion; `more` replaces top-level entries, such as ``usage``."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    body = {"id": "x", "object": "chat.completion", "model": "m", "choices": list(choices) or [choice()]}
    return say(200, {**body, "usage": usage, **more})


def say(status: int, body: Any, **headers: str) -> Behaviour:
    """That status with that JSON, or those bytes."""

    async def behave(request: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=raw, headers=named, content_type="application/json")

    return behave


async def hang(request: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def drip(request: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
    """Headers at once, then a byte now and then, for ever."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


async def cut(request: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
    """The connection is gone before an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut_in_body(request: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
    """The connection is gone in the middle of the answer."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport is not None
    request.transport.close()
    return response


def refuses(field: str, status: int = 400, shape: str = "openai") -> Behaviour:
    """Says which field it does not know, where it was sent; a good answer otherwise."""
    bodies: dict[str, Any] = {
        "openai": {"error": {"message": f"Unrecognized request argument supplied: {field}", "param": field}},
        "fastapi": {"detail": [{"loc": ["body", field], "msg": "Extra inputs are not permitted", "input": "canary"}]},
    }

    async def behave(request: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
        told = say(status, bodies[shape]) if field in sent else answer()
        return await told(request, sent)

    return behave


async def tokenizer(request: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
    """One token a byte, and no chat template."""
    text = sent["prompt"] if "prompt" in sent else "".join(message["content"] for message in sent["messages"])
    ids = list(text.encode())
    return await say(200, {"tokens": ids, "count": len(ids)})(request, sent)


class ScriptedServer:
    """What the server does and what it saw.

    `script` is used up first, one behaviour a request; then every request meets `default`.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.models: Behaviour = say(200, {"data": [{"id": "m", "owned_by": "x"}]})
        self.pages: Behaviour = say(404, {"detail": "Not Found"})
        self.tokenize: Behaviour = say(404, {"detail": "Not Found"})
        self.default: Behaviour = answer()
        self.script: list[Behaviour] = []
        self.sent: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.open = 0
        self.most_open = 0
        self.cancelled = 0

    def speaks_vllm(self, *paths: str, max_model_len: int = 4096) -> None:
        """Tell what vLLM tells of itself."""
        self.models = say(200, {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": max_model_len}]})
        schema = {"$ref": "#/components/schemas/Request"}
        route = {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}
        named = dict.fromkeys(paths or ("/v1/chat/completions", "/v1/completions"), route)
        properties = {field: {} for field in VLLM_FIELDS}
        self.pages = say(200, {"paths": named, "components": {"schemas": {"Request": {"properties": properties}}}})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        if request.method == "GET":
            return await {"/v1/models": self.models, "/openapi.json": self.pages}[request.path](request, {})
        sent = await request.json()
        if request.path == "/tokenize":
            return await self.tokenize(request, sent)
        self.sent.append(sent)
        behave = self.script.pop(0) if self.script else self.default
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            return await behave(request, sent)
        except (asyncio.CancelledError, ConnectionError):
            self.cancelled += 1
            raise
        finally:
            self.open -= 1


@asynccontextmanager
async def serving() -> AsyncIterator[ScriptedServer]:
    """A scripted server on a free port."""
    scripted = ScriptedServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", scripted.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        scripted.base_url = f"http://127.0.0.1:{port}/v1"
        yield scripted
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(server: ScriptedServer, **knobs: Any) -> AsyncIterator[OpenAIEngine]:
    """An engine started on that server."""
    engine = OpenAISpec(base_url=server.base_url, model="m", **knobs).open()
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


def request(seed: int = 7, prompt: Prompt = ASK, labels: tuple[int, ...] = (), **sampling: Any) -> Request:
    return Request(prompt, SAMPLING.model_copy(update=sampling), seed, labels)
