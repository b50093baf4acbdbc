"""Servers for tests: a real one on a loopback port, and one that is asked in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.applications import Starlette

from ponder.orchestrator.engine import EngineSpec
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.frontier import Frontier
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.listener import Listener
from ponder.orchestrator.server.serve import listen, url
from ponder.orchestrator.server.served import by_name
from ponder.strategies import Sample, SelfConsistency, Strategy

QUESTION = [{"role": "user", "content": "Problem 3: which number do the steps lead to?"}]
JSON = (("content-type", "application/json"), ("host", "127.0.0.1"))


def pipeline(name: str, *strategies: Strategy, engine: EngineSpec | None = None) -> Pipeline:
    return Pipeline.series(*strategies, name=name, engines={"generator": engine or SimulatedSpec()})


def vote(name: str = "vote", n: int = 8, engine: EngineSpec | None = None) -> Pipeline:
    return pipeline(name, SelfConsistency(n=n), engine=engine)


def single(name: str = "single", engine: EngineSpec | None = None) -> Pipeline:
    return pipeline(name, Sample(), engine=engine)


@dataclass
class Serving:
    """A server in a thread."""

    app: Starlette
    listener: Listener
    url: str
    thread: threading.Thread

    def stop(self) -> None:
        self.listener.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()


@contextmanager
def serving(served: Sequence[Pipeline | Frontier], *, drain_s: float = 5.0, **options: Any) -> Iterator[Serving]:
    frontiers = [each for each in served if isinstance(each, Frontier)]
    app = create_app(by_name(served), frontiers=frontiers, **options)
    ready = threading.Event()
    with listen("127.0.0.1", 0) as door:
        listener = Listener(app, drain_s=drain_s, on_ready=ready.set)
        thread = threading.Thread(target=lambda: asyncio.run(listener.serve([door])), daemon=True)
        server = Serving(app, listener, url(door), thread)
        thread.start()
        assert ready.wait(20)
        try:
            yield server
        finally:
            server.stop()


@dataclass
class Response:
    """What an application sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]


async def ask(
    app: Starlette,
    body: bytes | dict[str, Any] = b"",
    *,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    headers: Sequence[tuple[str, str]] = JSON,
    piece: int = 65536,
    leave_s: float | None = None,
) -> Response:
    """One request to an application in this process; the client stays until it is answered, or leaves before."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    pieces = [data[i : i + piece] for i in range(0, len(data), piece)] or [b""]
    response, parts = Response(), iter(enumerate(pieces, 1))

    async def receive() -> dict[str, Any]:
        for i, part in parts:
            return {"type": "http.request", "body": part, "more_body": i < len(pieces)}
        if leave_s is None:
            await asyncio.Event().wait()
        await asyncio.sleep(leave_s or 0.0)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            response.status = message["status"]
            response.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            response.body += message.get("body", b"")

    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": raw, "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 80), "root_path": ""}
    scope |= {"client": ("127.0.0.1", 1), "asgi": {"version": "3.0"}}
    await app(scope, receive, send)
    return response
