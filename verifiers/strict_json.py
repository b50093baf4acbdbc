"""JSON as two programs read it alike (I-JSON, RFC 7493), and where it stands in a text."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

LONGEST = 1_000_000
DEEPEST = 64
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_FENCE = "```"


def parsed(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, or holds a name twice, a lone surrogate, NaN or a number beyond a double.

    >>> parsed('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} at character {error.pos}") from None
    return json.loads(text, object_pairs_hook=_object)


def is_within_limits(text: str) -> bool:
    """Whether a parser may see `text`: at most a million characters, brackets nested at most 64 deep."""
    if len(text) > LONGEST:
        return False
    depth = deepest = 0
    for character in _STRING.sub("", text):
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    return deepest <= DEEPEST


def json_part(text: str) -> str:
    r"""The content of the last block between fences of three backticks that is closed; the whole text without one.

    No line within a JSON text begins with a fence, so a text that is JSON as a whole is taken whole.

    >>> json_part('Here:\n```json\n{"a": 1}\n```\nDone.'), json_part(' [1] ')
    ('{"a": 1}', ' [1] ')
    """
    lines, start = text.split("\n"), None
    found: str | None = None
    for number, line in enumerate(lines):
        if start is None and line.lstrip().startswith(_FENCE):
            start = number + 1
        elif start is not None and line.strip() == _FENCE:
            found, start = "\n".join(lines[start:number]), None
    return text if found is None else found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the name {twice[:80]!r} stands twice in one object")
    return made
