"""What comes around a body: methods, paths, headers and pieces, right and odd, are answered in one shape."""

from __future__ import annotations

import random
from urllib.parse import quote

import pytest
from api_bodies import APIS, CHAT
from fuzzed_server import Fuzzed
from schema_values import TEXTS, text_of

METHODS = (
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "post",
    "",
    "\u00e9",
    "G" * 500,
)
PATHS = (
    *(api.path for api in APIS),
    *("/health", "/metrics", "/v1/models", "/v1/ponder/runs", "/v1", "/", "", "//", "/docs", "/openapi.json", "*"),
)
ENDS = (
    "",
    "",
    "/",
    "//",
    "/..",
    "/x",
    "/single",
    "/%2e%2e",
    "/\u0000",
    "/\ud7ff",
    ";a=b",
    "/" + "a" * 3000,
    "?x=1",
    "\n",
)
HEADERS = (
    *(
        "content-type",
        "host",
        "authorization",
        "idempotency-key",
        "x-stainless-retry-count",
        "accept",
        "content-length",
    ),
    *("transfer-encoding", "expect", "x-forwarded-for", "x-request-id", "openai-organization", "accept-encoding", "x"),
)
VALUES = (
    *(
        "",
        " ",
        "application/json",
        "application/json;charset=utf-16",
        "text/plain",
        "127.0.0.1",
        "[::1]:80",
        "evil",
        "-1",
    ),
    *("0", "1", "2", "99999999999999999999", "\u00b2", "nan", "1e9", "Bearer", "Bearer x", "chunked", "\u00ff" * 9),
    *("a" * 9000, "application/openmetrics-text", "*/*", "\x00", "a\r\nb: c"),
)
LATIN = [text for text in TEXTS if not any("\ud800" <= character < "\ue000" for character in text)]
GOOD = [(api.path, text_of(body)) for api in APIS for body in api.good]
MANY = 6_000


def headers(rng: random.Random) -> list[tuple[str, str]]:
    """Those of a good request, with some left out and odd ones added."""
    kept = [pair for pair in (("content-type", "application/json"), ("host", "127.0.0.1")) if rng.random() < 0.9]
    return kept + [(rng.choice(HEADERS), rng.choice(VALUES)) for _ in range(rng.choice((0, 0, 1, 2, 5, 60)))]


def test_no_request_breaks_the_server(server: Fuzzed) -> None:
    rng = random.Random(3)
    for _ in range(MANY):
        path, body = rng.choice(GOOD)
        if rng.random() < 0.5:
            path = rng.choice(PATHS) + rng.choice((*ENDS, "/" + quote(rng.choice(LATIN))))
        method = "POST" if rng.random() < 0.6 else rng.choice(METHODS)
        server.ask(path, body, method=method, headers=headers(rng), piece=rng.choice((65536, 7, len(body) // 2 + 1)))
    seen = {status for _, status in server.statuses}
    assert {200, 400, 403, 404, 405, 415} <= seen <= {200, 400, 402, 403, 404, 405, 415}, seen


@pytest.mark.parametrize("piece", [1, 2, 3, 64])
def test_a_body_may_come_in_pieces(server: Fuzzed, piece: int) -> None:
    for path, body in GOOD:
        assert server.ask(path, body, piece=piece).status == 200


def test_a_large_body_is_refused_before_it_is_read(server: Fuzzed) -> None:
    for body in (b'{"model":"single","messages":[' + b"[]," * 2_000_000, b"[" * 5_000_000, b'"' + b"\\u0061" * 900_000):
        response = server.ask(CHAT, body)
        assert (response.status, response.error["code"]) == (400, "body_too_large")
    for body in (
        b'{"user":"' + b"\\u0061" * 600_000 + b'"}',
        b'{"a":' + b"[" * 4_000_000,
        b'{"a":[' + b"1," * 2_000_000,
    ):
        assert server.ask(CHAT, body).status == 400
