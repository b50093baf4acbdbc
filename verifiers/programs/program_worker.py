"""The program's side of a call, run in the sandbox beside the program: one JSON line in, one JSON line out.

Nothing here is trusted. Whatever the program does to this code, all it can do to us is to write other lines, and these
are read as what they are: values that it returns.
"""

from __future__ import annotations

import _ast
import json
import os
import sys
from types import ModuleType

from ...orchestrator.plain_values import from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REQUESTS, REPLIES = 3, 4


def serve() -> None:
    """Answer requests until they end."""
    program = ModuleType("program")
    sys.modules["program"] = program
    with os.fdopen(REQUESTS, "rb") as requests, os.fdopen(REPLIES, "wb", buffering=0) as replies:
        for line in requests:
            request = json.loads(line)
            reply = _answered(request, program)
            replies.write(json.dumps({"id": request["id"], **reply}).encode() + b"\n")


def _answered(request: dict[str, Any], program: ModuleType) -> dict[str, Any]:
    try:
        if "text" in request:
            _load(request["text"], request["prefix"], request["entry_point"], program)
            return {"value": None}
        args = [from_json(each) for each in request["args"]]
        kwargs = {name: from_json(each) for name, each in request["kwargs"].items()}
        value = getattr(program, request["function"])(*args, **kwargs)
    except BaseException as error:
        return {"raised": _name(error), "text": _said(error)}
    try:
        return {"value": to_json(value)}
    except Exception as error:
        return {"odd": _said(error)}


def _load(text: str, prefix: str, entry_point: str, program: ModuleType) -> None:
    """Run the prefix and the program; a text that does not define the entry point goes on where the prefix ends."""
    whole = [prefix, text] if not prefix or _defines(text, entry_point) else [prefix + text]
    for code in whole:
        exec(compile(code, "program.py", "exec", dont_inherit=True), program.__dict__)  # noqa: S102 - this is the sandbox


def _defines(text: str, name: str) -> bool:
    try:
        tree: Any = compile(text, "program.py", "exec", _ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return any(name in _names(statement) for statement in tree.body)


def _names(statement: _ast.stmt) -> list[str]:
    if isinstance(statement, _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.ClassDef):
        return [statement.name]
    if isinstance(statement, _ast.Import | _ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    if isinstance(statement, _ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, _ast.Name)]
    return []


def _name(error: BaseException) -> str:
    return type(error).__name__


def _said(error: BaseException) -> str:
    try:
        return str(error)[:200].encode("utf-8", "backslashreplace").decode()
    except BaseException:
        return ""
