"""An OpenAI-compatible server that answers every chat completion with the same bytes after a fixed time.

As cheap as a server can be, so that a benchmark of clients measures the clients. Prints its port, then serves until it
is killed.

    python experiments/fixed_latency_server.py LATENCY_S
"""

from __future__ import annotations

import asyncio
import sys

import orjson

TEXT = "\n".join(f"Step {i}: carry the {i} and write down what is left of the sum." for i in range(1, 6))
COMPLETION = {
    "id": "chatcmpl-0123456789abcdef",
    "object": "chat.completion",
    "created": 1764000000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
            "stop_reason": None,
        }
    ],
    "usage": {"prompt_tokens": 45, "completion_tokens": 88, "total_tokens": 133, "prompt_tokens_details": None},
}
MODELS = {"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "bench"}]}


def response(status: str, body: object) -> bytes:
    """A whole HTTP response, with the headers that uvicorn sends."""
    raw = orjson.dumps(body)
    head = f"HTTP/1.1 {status}\r\ndate: Mon, 23 Nov 2026 10:00:00 GMT\r\nserver: uvicorn\r\n"
    return f"{head}content-length: {len(raw)}\r\ncontent-type: application/json\r\n\r\n".encode() + raw


class Fixed(asyncio.Protocol):
    """One connection; one request at a time on it."""

    answer = response("200 OK", COMPLETION)
    models = response("200 OK", MODELS)
    missing = response("404 Not Found", {"error": {"message": "no such route"}})

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._loop = asyncio.get_running_loop()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        if head.startswith(b"GET"):
            self._transport.write(self.models if b"/models " in head[:64] else self.missing)
        else:
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            if len(body) < length:
                return
            self._loop.call_later(self._latency_s, self._transport.write, self.answer)
        self._received = b""


async def main(latency_s: float) -> None:
    """Serve on a free port of this machine."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Fixed(latency_s), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
