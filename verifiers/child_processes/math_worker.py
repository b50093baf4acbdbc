"""The child process in which mathematics is read: ``$9^{9^{9^9}}$`` may take for ever."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from .child_worker import serve


def _is_right(request: Mapping[str, Any]) -> bool | str | None:
    """Whether the answer equals the gold, which comes first: the check is not symmetric."""
    from math_verify import verify

    gold = _parsed(request["gold"])
    if not gold:
        raise ValueError("the reference cannot be read as mathematics")
    return bool(verify(gold, _parsed(request["answer"]), timeout_seconds=None))


def _form(request: Mapping[str, Any]) -> bool | str | None:
    """The canonical form of the answer; None where it cannot be read."""
    from .math_form import canonical_form

    values = [value for value in _parsed(request["answer"]) if not isinstance(value, str)]
    return canonical_form(values[0]) if values else None


def _parsed(expression: str) -> list[Any]:
    from math_verify import parse

    found: list[Any] = parse(f"\\boxed{{{expression}}}", parsing_timeout=None)
    return found


if __name__ == "__main__":
    serve({"is_right": _is_right, "form": _form}, lambda: import_module("math_verify"))
