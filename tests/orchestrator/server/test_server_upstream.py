"""A client that leaves is not worked for: what it asked for ends on the server behind this one too."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import orjson
import pytest
from forked_child import forked
from serving import QUESTION, serving, single

from ponder.orchestrator.engines.openai import OpenAISpec
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.server.serve import serve

FAR = single("far", SimulatedSpec(latency_s=0.05, token_latency_s=1.0))
TRIES = 3
"""A processor that others use may be late once, and twice."""


@contextmanager
def upstream() -> Iterator[str]:
    """A server in a process of its own, whose model writes a token a second."""
    ready, told = os.pipe()
    pid = forked(lambda: serve([FAR], port=0, drain_s=0.0, on_ready=lambda url: os.write(told, f"{url}\n".encode())))
    try:
        os.close(told)
        with os.fdopen(ready) as file:
            yield file.readline().strip()
    finally:
        os.kill(pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def wait_until_there_are(url: str, calls: int) -> float:
    """When so many calls are in flight on the engine of a server."""
    end = time.monotonic() + 20
    while f'ponder_engine_calls_in_flight{{engine="generator"}} {calls}.0' not in httpx.get(f"{url}/metrics").text:
        assert time.monotonic() < end
        time.sleep(0.01)
    return time.monotonic()


def sent(stream: bool, retries: str) -> bytes:
    body = orjson.dumps({"model": "near", "messages": QUESTION, "stream": stream})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n{retries}"
    return head.encode() + b"content-type: application/json\r\n\r\n" + body


@pytest.mark.parametrize("retries", ["", "x-stainless-retry-count: 0\r\n"], ids=["plain client", "SDK"])
@pytest.mark.parametrize("stream", [False, True])
def test_generation_upstream_stops_within_a_second(stream: bool, retries: str) -> None:
    with upstream() as far, serving([single("near", OpenAISpec(base_url=f"{far}/v1", model="far"))]) as near:
        host, port = near.url.removeprefix("http://").split(":")
        seconds = []
        for _ in range(TRIES):
            with socket.create_connection((host, int(port))) as client:
                client.sendall(sent(stream, retries))
                wait_until_there_are(far, 1)
                if stream:
                    assert re.search(b"HTTP/1.1 200", client.recv(4096))
            left = time.monotonic()
            seconds.append(wait_until_there_are(far, 0) - left)
            if seconds[-1] < 1.0:
                break
    assert min(seconds) < 1.0, seconds
    assert min(seconds) > 0.7 or not retries, "the SDK comes back after half a second"
