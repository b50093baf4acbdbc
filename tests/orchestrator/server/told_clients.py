"""Clients that ask over plain sockets, one connection a request, and note how each request ended."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

End = Literal["answered", "told", "not accepted", "cut"]
"""Cut is what must not be: a response that began and did not end, or one that no client understands."""


@dataclass
class Ended:
    """How requests ended, and what the answers say that they cost together."""

    ends: Counter[End] = field(default_factory=Counter)
    tokens: int = 0
    cut: list[bytes] = field(default_factory=list)


class Clients:
    """Some clients that ask one request after the other until nobody listens.

    Args:
        address: host and port.
        key: what each sends.
        model: what each asks for.
    """

    def __init__(self, address: tuple[str, int], key: str, model: str) -> None:
        self.address = address
        self.key = key
        self.model = model
        self.ended = Ended()

    async def ask_on(self, clients: int, seed: int) -> None:
        """All clients, until each finds nobody."""
        await asyncio.gather(*(self._ask_on(random.Random(seed * clients + i)) for i in range(clients)))

    async def _ask_on(self, rng: random.Random) -> None:
        while True:
            await asyncio.sleep(rng.random() * 0.02)
            streams, number = rng.random() < 0.5, rng.randrange(10**6)
            message = {"role": "user", "content": f"Problem {number}?"}
            body: dict[str, Any] = {"model": self.model, "messages": [message], "stream": streams}
            body |= {"max_tokens": rng.randint(5, 40)} | (
                {"stream_options": {"include_usage": True}} if streams else {}
            )
            answer = await self._sent(orjson.dumps(body))
            end = "not accepted" if not answer else self._end(answer, streams)
            self.ended.ends[end] += 1
            if end == "cut":
                self.ended.cut.append(answer)
            if end in ("not accepted", "told"):
                return

    async def _sent(self, body: bytes) -> bytes:
        """Everything that comes back; nothing where nobody listens, or the request was not read."""
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.key}\r\n"
        head += f"connection: close\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        answer = b""
        try:
            reader, writer = await asyncio.open_connection(*self.address)
        except OSError:
            return answer
        try:
            writer.write(head.encode() + body)
            while piece := await reader.read(65536):
                answer += piece
        except OSError:
            pass
        finally:
            writer.close()
        return answer

    def _end(self, answer: bytes, streams: bool) -> End:
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status == 503:
            return "told" if orjson.loads(body)["error"]["code"] == "closing" else "cut"
        if status != 200:
            return "cut"
        return self._end_of_stream(body) if streams else self._end_of_whole(body)

    def _end_of_whole(self, body: bytes) -> End:
        try:
            self.ended.tokens += orjson.loads(body)["usage"]["total_tokens"]
        except orjson.JSONDecodeError:
            return "cut"
        return "answered"

    def _end_of_stream(self, body: bytes) -> End:
        events = [line[6:].strip() for line in body.split(b"\n") if line.startswith(b"data: ")]
        if events[-1:] != [b"[DONE]"]:
            return "cut"
        last = orjson.loads(events[-2])
        if "error" in last:
            return "told" if last["error"]["code"] == "closing" else "cut"
        self.ended.tokens += last["usage"]["total_tokens"]
        return "answered"
