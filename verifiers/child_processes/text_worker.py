"""The child process in which patterns and schemas are tried on texts: some of either take for ever."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

from ..strict_json import DEEPEST, LONGEST, is_within_limits, json_part, parsed
from .child_worker import CannotTell, serve

LONGEST_GROUP = 10_000
LONGEST_PROBLEM = 200


def matched(request: Mapping[str, Any]) -> bool | str | None:
    """Whether the pattern matches; where a group is asked for, what it holds, or False without one."""
    found = getattr(re.compile(request["pattern"], request["flags"]), request["mode"])(request["text"])
    group: int | str | None = request["group"]
    if found is None or group is None:
        return found is not None
    held: str | None = found[group]
    if held is not None and len(held) > LONGEST_GROUP:
        raise CannotTell(f"the group holds more than {LONGEST_GROUP} characters")
    return False if held is None else held


def conforms(request: Mapping[str, Any]) -> bool | str | None:
    """True where the text holds JSON that is valid under the schema; else where the first error is, and what."""
    text = json_part(request["text"])
    if not is_within_limits(text):
        raise CannotTell(f"longer than {LONGEST} characters, or nested more than {DEEPEST} deep")
    try:
        value = parsed(text)
    except ValueError as error:
        return str(error)[:LONGEST_PROBLEM]
    for wrong in _validator(request["schema"]).iter_errors(value):
        return f"{wrong.json_path[: LONGEST_PROBLEM // 2]}: {wrong.message}"[:LONGEST_PROBLEM]
    return True


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    from referencing import Registry

    from ..json_schema import draft_of

    value = parsed(schema)
    return draft_of(value)(value, registry=Registry())


def _load() -> None:
    with contextlib.suppress(ImportError):  # patterns need none
        import_module("jsonschema")


if __name__ == "__main__":
    serve({"matched": matched, "conforms": conforms}, _load)
