"""Values that fit a JSON Schema, and some that do not, from a seeded generator that is quick enough for many."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from typing import Any

RAW = "\u0001"
"""Begins and ends a string that is written as it stands, for what JSON has no value of."""
QUOTED = re.compile(r'"\\u0001(.*?)\\u0001"')

NUMBERS = (
    *(-1, 0, 1, 2, 3, 5, 128, 129, 65536, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**9, 10**40),
    *(0.0, -0.0, 0.5, 1.0, 1.5, 2.1, 1e-320, 1e16, 1e22, 1e308, -1e308, float("nan"), float("inf"), -float("inf")),
)
TEXTS = (
    *("", " ", "x", "auto", "none", "user", "text", "0", "-1", "true", "null", "1e400", "\u0000", "\n\r\t", "\u2028"),
    *(
        "\ud800",
        "a\udfff",
        "\U0001f600",
        "e\u0301",
        "\u202e",
        "\ufeff",
        "\ufffe",
        "{}",
        "[]",
        '"',
        "\\",
        "%s%n",
        "../..",
    ),
    *("<script>", "'; --", "http://169.254.169.254/", "file:///etc/passwd", "data:image/png;base64,", "x" * 300),
)
TOKENS = (
    "1e400",
    "-1e400",
    "01",
    "1.",
    ".5",
    "+1",
    "0x1F",
    "True",
    "undefined",
    "'x'",
    "[1,]",
    "{,}",
    '"\\x"',
    "9" * 400,
)
DEEP = tuple("[" * deep + "]" * deep for deep in (8, 60, 63, 64, 65, 200, 5000))
WORDS = ("type", "role", "content", "text", "name", "id", "n", "seed", "budget", "strategy", "kind", "model", "x", "")


def text_of(value: Any) -> bytes:
    """`value` as JSON text, with what is raw in it written as it stands."""
    text = json.dumps(value)
    if "\\u0001" in text:
        text = QUOTED.sub(lambda found: json.loads(f'"{found[1]}"'), text)
    return text.encode("ascii")


class Values:
    """Draws values.

    Args:
        rng: chance.
        wrong: of any value inside, the chance to be of another kind than its schema says.
    """

    def __init__(self, rng: random.Random, wrong: float = 0.0) -> None:
        self.rng = rng
        self.wrong = wrong

    def fitting(self, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0) -> Any:
        """A value of `schema`, whose definitions stand in `root`."""
        rng = self.rng
        if self.wrong and rng.random() < self.wrong:
            return self.any()
        if "$ref" in schema:
            return self.fitting(root["$defs"][schema["$ref"].rpartition("/")[2]], root, depth)
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                return self.fitting(rng.choice(schema[several]), root, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return rng.choice(schema["enum"])
        return self._of_type(schema, root, depth)

    def _of_type(self, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
        rng = self.rng
        match schema.get("type"):
            case "object":
                return self._object(schema, root, depth)
            case "array":
                items = schema.get("items", {})
                few = 0 if depth > 6 else schema.get("minItems", 0) + rng.choice((0, 1, 1, 2))
                return [self.fitting(items, root, depth + 1) for _ in range(few)]
            case "integer":
                return self._between(schema, rng.choice((0, 1, 2, 3, 4, 8, 20)))
            case "number":
                return self._between(schema, rng.choice((0, 0.0, 0.25, 0.5, 1, 1.0, 1.75, 2)))
            case "boolean":
                return rng.random() < 0.5
            case "string":
                return rng.choice(("a", "step", "user", "be brief", "b", "\u00e9", "1"))
            case "null":
                return None
        return self.any(depth + 1)

    def _object(self, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
        rng, named = self.rng, schema.get("properties", {})
        needed = schema.get("required", ())
        chance = 0.3 if depth < 6 else 0.0
        drawn = {
            key: self.fitting(inner, root, depth + 1)
            for key, inner in named.items()
            if key in needed or rng.random() < chance
        }
        more = schema.get("additionalProperties")
        if more and depth < 6 and rng.random() < 0.5:
            drawn[rng.choice(WORDS)] = self.any(depth + 1) if more is True else self.fitting(more, root, depth + 1)
        return drawn

    def _between(self, schema: Mapping[str, Any], value: float) -> Any:
        low = schema.get("minimum", schema.get("exclusiveMinimum", value))
        high = schema.get("maximum", schema.get("exclusiveMaximum", value))
        return self.rng.choice((low, high)) if self.rng.random() < 0.1 else min(max(value, low), high)

    def any(self, depth: int = 0) -> Any:
        """A value of any kind, odd more often than not."""
        rng = self.rng
        match rng.randrange(12 if depth < 4 else 8):
            case 0 | 1:
                return rng.choice(NUMBERS)
            case 2 | 3:
                return rng.choice(TEXTS)
            case 4:
                return rng.choice((True, False))
            case 5:
                return None
            case 6:
                return RAW + rng.choice(TOKENS) + RAW if rng.random() < 0.3 else rng.choice(NUMBERS)
            case 7:
                return (
                    RAW + rng.choice(DEEP) + RAW if rng.random() < 0.2 else rng.choice(([], {}, [[]], [{}], {"": {}}))
                )
            case 8 | 9:
                return [self.any(depth + 1) for _ in range(rng.choice((1, 1, 2, 3)))]
            case 10:
                return [self.any(4)] * rng.choice((5, 17, 129, 1001))
        return {rng.choice((*WORDS, *TEXTS)): self.any(depth + 1) for _ in range(rng.choice((1, 2, 3)))}
