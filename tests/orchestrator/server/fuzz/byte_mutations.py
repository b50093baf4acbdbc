"""Good bodies, damaged: flips, cuts, repeats, splices, invalid UTF-8, keys that stand twice."""

from __future__ import annotations

import random
from collections.abc import Sequence

CUES = (
    *(b"\xff", b"\x00", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\\ud800", b"\\u0000", b"\\"),
    *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"-", b"e", b"E+", b".", b"0", b"9" * 40, b"1e400", b"NaN", b"null"),
    *(b"true", b"-Infinity", b'"n":1e3,', b'"model":', b'"messages":[],', b'"stream":true,', b'"ponder":{},', b"/**/"),
)


def damaged(rng: random.Random, bodies: Sequence[bytes]) -> bytes:
    """One of `bodies` after one to four accidents."""
    body = bytearray(rng.choice(bodies))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        _damage(rng, body, bodies)
    return bytes(body)


def _damage(rng: random.Random, body: bytearray, bodies: Sequence[bytes]) -> None:
    i = rng.randint(0, len(body))
    j = min(len(body), i + rng.choice((1, 1, 2, 4, 16, 64)))
    match rng.randrange(8):
        case 0 if i < len(body):
            body[i] ^= 1 << rng.randrange(8)
        case 1 if i < len(body):
            body[i] = rng.randrange(256)
        case 2:
            del body[i:j]
        case 3:
            del body[i:]
        case 4:
            body[i:i] = body[i:j] * rng.choice((1, 2, 50))
        case 5:
            body[i:i] = rng.choice(CUES)
        case 6:
            _say_twice(rng, body, rng.choice(bodies))
        case _:
            other = rng.choice(bodies)
            body[i:] = other[rng.randint(0, len(other)) :]


def _say_twice(rng: random.Random, body: bytearray, other: bytes) -> None:
    """Put the fields of another body into this one, first or last, so that some keys stand twice."""
    fields = other[1:-1]
    if rng.random() < 0.5:
        body[1:1] = fields + b","
    elif body.endswith(b"}"):
        body[-1:] = b"," + fields + b"}"
