"""Counts each request from the outside: how it ended, how long it took, what it was refused for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING

import orjson

from .metrics import Metrics

if TYPE_CHECKING:
    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OTHER = "other"
LEFT = 499
"""The status, which nobody is sent, of a request whose client left before the response began; nginx's number."""


class Tally:
    """One request, as it is counted. Where it is answered, whoever knows sets the `model` and tells what happens.

    Args:
        metrics: counts it.
        endpoint: the path of the route.
    """

    def __init__(self, metrics: Metrics, endpoint: str) -> None:
        self.model = ""
        self._metrics = metrics
        self._endpoint = endpoint
        self._began = time.perf_counter()
        self._status = 0
        self._streams = self._is_whole = self._has_begun = False

    def began_answer(self) -> None:
        """The first byte of the answer is sent: no comment, and nothing that only opens a stream."""
        if not self._has_begun:
            self._has_begun = True
            self._metrics.began_answer(self._endpoint, self.model, self._seconds())

    def refused(self, code: str | None) -> None:
        """The client is told an error inside a stream; others are seen from the outside."""
        self._metrics.refused(code or OTHER)

    def attached(self, model: str) -> None:
        """The request was sent before, and the run that it began, of that model, answers this one too."""
        self.model = model
        self._metrics.attached()

    def see(self, message: Message) -> None:
        """What is sent to the client."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._streams = (b"content-type", b"text/event-stream") in message["headers"]
            return
        self._is_whole = not message.get("more_body", False)
        if self._status >= 400 and self._is_whole:
            self._see_error(message.get("body", b""))
        elif self.model and not self._streams:
            self.began_answer()

    def end(self, status: int) -> None:
        """The request has ended; `status` is that of a response which never began."""
        if not self._is_whole and status == LEFT:
            self._metrics.left()
        self._metrics.answered(self._endpoint, self.model, self._status or status, self._seconds())

    def _see_error(self, body: bytes) -> None:
        try:
            self.refused(orjson.loads(body)["error"]["code"])
        except (orjson.JSONDecodeError, LookupError, TypeError):
            return  # it is no refusal: what is ill says so with another body

    def _seconds(self) -> float:
        return time.perf_counter() - self._began


_CURRENT: ContextVar[Tally] = ContextVar("ponder.tally")
_NOBODY = Tally(Metrics(), OTHER)


def tally() -> Tally:
    """The tally of the request that is answered here; outside of any, one that nobody reads."""
    return _CURRENT.get(_NOBODY)


class Measured:
    """Counts all requests to `app`.

    Args:
        app: what is asked.
        metrics: counts them.
        routes: whose paths name the endpoints; requests for others are counted together.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Iterable[Route]) -> None:
        self._app = app
        self._metrics = metrics
        self._patterns = [(route.path, route.path_regex) for route in routes]
        self._paths = {path for path, _ in self._patterns}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        seen = Tally(self._metrics, self._endpoint(scope["path"]))
        held = _CURRENT.set(seen)

        async def sent(message: Message) -> None:
            await send(message)
            seen.see(message)

        status = 500
        try:
            await self._app(scope, receive, sent)
            status = LEFT
        finally:
            _CURRENT.reset(held)
            seen.end(status)

    def _endpoint(self, path: str) -> str:
        if path in self._paths:
            return path
        return next((name for name, pattern in self._patterns if pattern.match(path)), OTHER)
