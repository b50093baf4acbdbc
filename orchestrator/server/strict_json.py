"""The body of a request, read with a bound on its size and parsed as strict JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Any

import orjson

from .refusal import Refusal

MOST_BYTES = 4 * 1024 * 1024
MOST_DEPTH = 64
BODY_TIMEOUT_S = 30.0


async def read_body(chunks: AsyncIterable[bytes], timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """The whole body, counted while it is read.

    Raises:
        Refusal: it is longer than 4 MiB, or takes longer than `timeout_s` seconds to come.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in chunks:
                body += chunk
                if len(body) > MOST_BYTES:
                    raise Refusal(400, f"a body must be at most {MOST_BYTES} bytes; send less", code="body_too_large")
    except TimeoutError:
        raise Refusal(408, f"a body must arrive within {timeout_s:g} s; send it faster", code="body_too_slow") from None
    return bytes(body)


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`: no NaN, no number beyond a double, no lone surrogate, at most 64 levels deep.

    Raises:
        Refusal: it is anything else.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"the body must be strict JSON, but: {error.msg}", code="invalid_json") from None
    if not isinstance(data, dict):
        raise Refusal(400, "the body must be a JSON object; send {...}", code="invalid_json")
    if _is_deeper(data, MOST_DEPTH):
        raise Refusal(400, f"the body must be at most {MOST_DEPTH} levels deep; flatten it", code="invalid_json")
    return data


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether containers are nested more than `levels` deep."""
    layer = [value]
    for _ in range(levels + 1):
        inner = [part for part in layer if isinstance(part, dict | list)]
        layer = [item for part in inner for item in (part.values() if isinstance(part, dict) else part)]
        if not layer:
            return False
    return any(isinstance(part, dict | list) for part in layer)
