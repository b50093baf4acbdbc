"""One spelling for every value, so that equal things have equal keys on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel

DIGEST_BYTES = 16


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces; of models and tuples too, and of dataclasses in the order of their fields.

    >>> canonical_json({"b": (1, 2), "a": 0.5})
    b'{"a":0.5,"b":[1,2]}'
    """
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def digest(*parts: Any) -> bytes:
    """A 16-byte BLAKE2b digest of the canonical JSON of `parts`."""
    return hashlib.blake2b(canonical_json(parts), digest_size=DIGEST_BYTES).digest()


class Digests:
    """Digests that differ in their last part alone: ``Digests(*parts).of(last)`` is ``digest(*parts, last)``.

    >>> Digests("a", 1).of((2, 3)) == digest("a", 1, (2, 3))
    True
    """

    def __init__(self, *parts: Any) -> None:
        self._begun = hashlib.blake2b(canonical_json(parts)[:-1] + b",", digest_size=DIGEST_BYTES)

    def of(self, last: Any) -> bytes:
        """The digest that ends with a part."""
        digest = self._begun.copy()
        digest.update(canonical_json(last) + b"]")
        return digest.digest()


def stable_id(value: Any) -> str:
    """Twelve hexadecimal digits that name `value` the same way in every process.

    >>> stable_id({"a": 1, "b": 2}) == stable_id({"b": 2, "a": 1})
    True
    """
    return digest(value).hex()[:12]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no canonical JSON")
