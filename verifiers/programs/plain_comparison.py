"""Plain values compared by what they hold, in our own code alone: nothing of theirs is ever called."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ...orchestrator.plain_values import fold

LONG = 1 << 1000
"""Whole numbers beyond it are spelled in base 16, which takes no time."""
_BRACKETS = {"list": "[]", "tuple": "()", "set": "{}", "frozenset": ("frozenset({", "})"), "dict": "{}"}


def spelled(form: object) -> str:
    """The one text of a plain value, given its JSON: as Python writes it, but members of sets and keys in order.

    Two values have one text where their types and what they hold are equal: 1, 1.0 and True differ, (1,) and [1] too;
    nan is nan, and 0.0 is -0.0.

    Raises:
        ValueError: it is not the JSON of a plain value.

    >>> spelled([1, {"$tuple": [True]}, {"$set": [2, 1]}, {"b": -0.0, "a": "x"}])
    "[1, (True,), {1, 2}, {'a': 'x', 'b': 0.0}]"
    """
    return fold(form, _leaf, _node)


def agree(got: object, wanted: object, absolute: float = 0.0, relative: float = 0.0) -> bool:
    """Whether two values, given their JSON, are equal by `spelled`, or but for numbers that are near enough.

    Args:
        got: the JSON of what came.
        wanted: the JSON of what must come.
        absolute: how far a number may be off.
        relative: how far it may be off as a part of the wanted one, added to `absolute`.

    Raises:
        ValueError: one is not the JSON of a plain value.

    >>> agree([1.0, 2], [1.001, 2.0], absolute=0.01), agree([1.0, 2], [1.001, 2.0])
    (True, False)
    """
    if spelled(got) == spelled(wanted):
        return True
    return bool(absolute or relative) and _near(_tree(got), _tree(wanted), absolute, relative)


def _leaf(value: Any) -> str:
    if type(value) is int and not -LONG < value < LONG:
        return hex(value)
    return repr(value + 0.0 if type(value) is float else value)


def _node(kind: str, parts: list[Any]) -> str:
    if kind == "dict":
        keys = [key for key, _ in parts]
        if len(set(keys)) < len(keys):
            raise ValueError("a dict must have each key once")
        return f"{{{', '.join(f'{key}: {value}' for key, value in sorted(parts))}}}"
    if kind in ("set", "frozenset"):
        parts = sorted(set(parts))
        if not parts:
            return f"{kind}()"
    opening, closing = _BRACKETS[kind]
    return f"{opening}{', '.join(parts)}{',' if kind == 'tuple' and len(parts) == 1 else ''}{closing}"


class _Container(NamedTuple):
    kind: str
    parts: list[Any]


def _tree(form: object) -> Any:
    return fold(form, lambda value: value, _Container)


def _text(tree: Any) -> str:
    if not isinstance(tree, _Container):
        return _leaf(tree)
    if tree.kind == "dict":
        return _node("dict", [(_text(key), _text(value)) for key, value in tree.parts])
    return _node(tree.kind, [_text(part) for part in tree.parts])


def _near(got: Any, wanted: Any, absolute: float, relative: float) -> bool:
    if type(got) in (int, float) and type(wanted) in (int, float):
        return _is_within(got, wanted, absolute, relative)
    parts, others = _aligned(got), _aligned(wanted)
    if parts is None or others is None or got.kind != wanted.kind or parts.keys() != others.keys():
        return _text(got) == _text(wanted)
    return all(_near(part, others[key], absolute, relative) for key, part in parts.items())


def _aligned(tree: Any) -> dict[Any, Any] | None:
    """The members that may be near others, by their place or key; None where there are none."""
    if not isinstance(tree, _Container) or tree.kind in ("set", "frozenset"):
        return None
    if tree.kind == "dict":
        return {_text(key): value for key, value in tree.parts}
    return dict(enumerate(tree.parts))


def _is_within(got: float, wanted: float, absolute: float, relative: float) -> bool:
    if got == wanted or (got != got and wanted != wanted):
        return True
    if wanted in (math.inf, -math.inf):
        return False
    try:
        return abs(got - wanted) <= absolute + relative * abs(wanted)
    except OverflowError:
        return False
