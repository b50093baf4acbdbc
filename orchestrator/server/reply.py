"""How bodies leave: JSON at once, or a stream of server-sent events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from .refusal import Refusal

if TYPE_CHECKING:
    from starlette.types import Send

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


async def send_json(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """A whole response."""
    fixed = {"content-type": "application/json", "content-length": str(len(body))}
    await send({"type": "http.response.start", "status": status, "headers": _raw({**fixed, **headers})})
    await send({"type": "http.response.body", "body": body})


async def send_refusal(refusal: Refusal, send: Send, headers: Mapping[str, str] | None = None) -> None:
    """A whole response that says no."""
    await send_json(send, refusal.status, refusal.body(), {**refusal.headers, **(headers or {})})


class EventStream:
    """A response made of server-sent events, in OpenAI's words alone: clients take others for parts of the answer."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def open(self, headers: Mapping[str, str]) -> None:
        fixed = {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}
        await self._send({"type": "http.response.start", "status": 200, "headers": _raw({**fixed, **headers})})

    async def event(self, data: dict[str, Any]) -> None:
        """An event, called by its type where it has one."""
        name = f"event: {data['type']}\n".encode() if "type" in data else b""
        await self._write(name + b"data: " + orjson.dumps(data) + b"\n\n")

    async def keep_alive(self) -> None:
        """A comment, which clients skip."""
        await self._write(KEEP_ALIVE)

    async def close(self, *, is_done: bool = True) -> None:
        """End the stream, with OpenAI's mark of it where `is_done`."""
        await self._write(DONE if is_done else b"", is_last=True)

    async def _write(self, body: bytes, is_last: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": not is_last})


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
