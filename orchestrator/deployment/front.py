"""What stands before the proxies of Ray Serve: their own errors reach clients as the server's do.

A replica that dies leaves its requests to the proxy, which would answer with a bare 500, or cut a stream. Here such a
request is answered by a 503 in OpenAI's shape, which its SDK sends again, and a stream ends with an error in its words.
Ray Serve puts it in front where ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`` names `middleware` on every node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from ..server.endpoint import RESPONSES
from ..server.refusal import Refusal, unavailable
from ..server.reply import send_refusal

if TYPE_CHECKING:
    from starlette.middleware import Middleware
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROUTES, PROBES = "/-/routes", "/-/"
SERVES_OWN = {b"x-request-disconnect-disabled", b"x-request-timeout-seconds"}
"""Headers by which a client could tell the proxy to let its run go on without it, or to cut it."""
JSON, EVENTS = b"application/json", b"text/event-stream"


def middleware() -> list[Middleware]:
    """What Ray Serve puts in front of its proxies."""
    from starlette.middleware import Middleware

    return [Middleware(Front)]


class Front:
    """Answers for `app` where it does not, or not in the server's words."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["path"].startswith(PROBES) and scope["path"] != ROUTES):
            return await self._app(scope, receive, send)
        if scope["path"] == ROUTES:
            return await send_refusal(Refusal(404, f"{ROUTES} is not offered", code="not_offered"), send)
        scope["headers"] = [header for header in scope["headers"] if header[0] not in SERVES_OWN]
        response = _Response(send)
        await self._app(scope, receive, response.see)
        await response.finish(scope["path"])


class _Response:
    """A response on its way through."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._is_ours = self._is_stream = self._is_whole = False

    async def see(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = _once(message["headers"])
            kind = dict(headers).get(b"content-type", b"")
            self._status, self._is_stream = message["status"], kind.startswith(EVENTS)
            self._is_ours = message["status"] < 400 or kind.startswith(JSON)
            message = {**message, "headers": headers}
        else:
            self._is_whole = not message.get("more_body", False)
        if self._is_ours:
            await self._send(message)

    async def finish(self, path: str) -> None:
        """Say what the proxy did not."""
        if not self._status:
            await send_refusal(_lost(), self._send)
        elif not self._is_ours:
            await send_refusal(_proxys(self._status), self._send)
        elif self._is_stream and not self._is_whole:
            await self._send({"type": "http.response.body", "body": _event(path, _lost())})


def _once(headers: Any) -> list[tuple[bytes, bytes]]:
    """Headers without a second ``x-request-id``: the first names the run, and the proxy adds its own."""
    once, is_named = [], False
    for name, value in headers:
        is_id = name.lower() == b"x-request-id"
        if not (is_id and is_named):
            once.append((name, value))
        is_named = is_named or is_id
    return once


def _event(path: str, refusal: Refusal) -> bytes:
    error = orjson.loads(refusal.body())
    if path != RESPONSES:
        return b"data: " + orjson.dumps(error) + b"\n\n"
    told = {"sequence_number": 0, **error["error"], **error, "type": "error"}
    return b"event: error\ndata: " + orjson.dumps(told) + b"\n\n"


def _lost() -> Refusal:
    return unavailable("the replica that ran this request is gone; try again", "replica_lost")


def _proxys(status: int) -> Refusal:
    if status == 404:
        return unavailable("no model is served yet; try again", "starting")
    return unavailable("the server cannot take this request now; try again", "overloaded", status=status)
