"""Finds out what a server can do, without drawing a token.

``/v1/models`` tells the models and, on vLLM, the context length. Servers built on FastAPI (vLLM, SGLang) list every
request field they take in ``/openapi.json``. Where neither tells, OpenAI's own fields are assumed, and what the server
refuses in the first request that has it is not sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

import orjson

from ..errors import EngineRefused
from .openai_errors import refusal
from .openai_server import NotOK, Server
from .openai_wire import API, OPTIONAL, PLAIN, Dialect, Reads, broken

ROUTES: dict[API, str] = {"chat": "chat/completions", "completions": "completions"}
READING: tuple[Reads, ...] = get_args(Reads)
NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Learned:
    """What the server told of itself; None where it did not tell.

    `template_tokens` is what its chat template makes of the shortest conversation.
    """

    dialect: Dialect
    context_length: int | None = None
    template_tokens: int | None = None


async def learn(server: Server, api: API, reads: Reads | None = None) -> Learned:
    """Ask a server what it can do.

    Args:
        server: to ask.
        api: the route that draws.
        reads: the route that reads; None finds the first that there is.

    Raises:
        EngineUnavailable: it is not there, or not ready.
        EngineRefused: it does not know the key or the model.
    """
    card = await _card(server)
    pages = await _pages(server)
    paths = pages.get("paths", {})
    known = _fields(pages, ROUTES[api])
    if known is None:
        is_vllm = card.get("owned_by") == "vllm"
        dialect = Dialect(api, OPTIONAL if is_vllm else PLAIN, reads=reads or ("pooling" if is_vllm else None))
    else:
        reads = reads or next((route for route in READING if f"/{route}" in paths), None)
        tokenizes = "/tokenize" in paths and reads != "score"
        dialect = Dialect(
            api,
            OPTIONAL & known,
            generates=_has(paths, ROUTES[api]),
            reads=reads,
            tokenizes=tokenizes,
            continues_ids=tokenizes and _has(paths, ROUTES["completions"]),
        )
    longest = card.get("max_model_len")
    template = await _template(server) if api == "chat" and dialect.tokenizes else None
    return Learned(dialect, longest if type(longest) is int else None, template)


def _has(paths: Iterable[str], route: str) -> bool:
    return any(path.endswith("/" + route) and not path.endswith("chat/" + route) for path in paths)


async def _card(server: Server) -> Mapping[str, Any]:
    """The server's entry for the model; empty where it keeps no list."""
    try:
        raw = await server.get(server.url("models"))
    except NotOK as answer:
        if answer.status in (404, 405):
            return {}
        raise refusal(answer.status, answer.headers, answer.raw, server.address) from None
    try:
        cards: dict[str, Mapping[str, Any]] = {card["id"]: card for card in orjson.loads(raw)["data"]}
    except (KeyError, TypeError, ValueError) as error:
        raise broken(raw, error) from None
    model = server.address.model
    if cards and model not in cards:
        close = get_close_matches(model, cards, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(sorted(cards)[:NAMES_SHOWN])}"
        raise EngineRefused(f"model must be one that {server.address.base_url} serves, got {model!r}; {hint}")
    return cards.get(model, {})


async def _pages(server: Server) -> dict[str, Any]:
    """The server's description of its routes; empty where it shows none."""
    try:
        pages = orjson.loads(await server.get(server.root("openapi.json")))
    except (NotOK, ValueError):
        return {}
    return pages if isinstance(pages, dict) and isinstance(pages.get("paths"), dict) else {}


def _fields(pages: Mapping[str, Any], route: str) -> frozenset[str] | None:
    """The request fields of a route; the empty set where the server only reads, None where it does not tell."""
    paths = pages.get("paths", {})
    path = next((path for path in paths if _has([path], route)), None)
    if path is None:
        return frozenset() if any(f"/{route}" in paths for route in READING) else None
    try:
        schema = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        if "$ref" in schema:
            schema = pages["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return frozenset(schema["properties"])
    except (KeyError, TypeError, AttributeError):
        return None


async def _template(server: Server) -> int | None:
    """Tokens of the shortest conversation, by vLLM's ``/tokenize``."""
    body = {"model": server.address.model, "messages": [{"role": "user", "content": "a"}]}
    try:
        count = orjson.loads(await server.post(server.root("tokenize"), orjson.dumps(body)))["count"]
    except (NotOK, KeyError, TypeError, ValueError):
        return None
    return count if type(count) is int and count > 0 else None
