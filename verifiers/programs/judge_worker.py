"""The judge's side of a check, run in a sandbox of its own: the check as it was written, around a candidate far away.

The candidate that the check is given is a stand-in: each call of it goes out as plain values, is answered by the
program in the other sandbox, and comes back as plain values or as an error. So no code of the program is ever here,
unless the check itself evaluates text that came back.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import json
import os
import random
import sys

from ...orchestrator.plain_values import from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REQUESTS, REPLIES = 3, 4
FALSE, TRUE = ast.Constant(False), ast.Constant(True)
RECORD, ERROR = "__ponder_record__", "__ponder_error__"


class CandidateError(Exception):
    """The program raised something that is no built-in exception, or was lost."""


class _Ended(BaseException):
    """Nothing more can be told. Not an `Exception`, so that no check swallows it."""


def serve() -> None:
    """Run the check that the first line holds, and tell of each assert."""
    with os.fdopen(REQUESTS, "rb") as requests, os.fdopen(REPLIES, "wb", buffering=0) as replies:
        _Check(requests, replies).run(json.loads(requests.readline()))


class _Check:
    def __init__(self, requests: Any, replies: Any) -> None:
        self._requests, self._replies = requests, replies
        self._lines: list[tuple[int, int]] = []
        self._stops = False
        self._answered_with: BaseException | None = None

    def run(self, check: dict[str, Any]) -> None:
        self._stops = check["stops"]
        random.seed(0)
        try:
            tree, self._lines, guards = _recording(check["code"])
            self._send({"asserts": len(self._lines), "guards": guards})
            names: dict[str, Any] = {RECORD: self._record, ERROR: Exception}
            exec(compile(check["prefix"], "prefix.py", "exec", dont_inherit=True), names)  # noqa: S102 - this is the sandbox
            names[check["entry_point"]] = self._call
            exec(compile(tree, "check.py", "exec", dont_inherit=True), names)  # noqa: S102 - this is the sandbox
            work = names["check"]
        except Exception as error:
            return self._send({"broken": _told(error)})
        try:
            work(self._call)
            self._send({"end": ""})
        except _Ended:
            return
        except Exception as error:
            self._send({"broken" if self._is_missing(error) else "end": _told(error)})

    def _record(self, number: int, value: object, is_caught: bool = False) -> None:
        error = sys.exc_info()[1] if is_caught else None
        if error is not None and self._is_missing(error):
            self._send({"broken": _told(error)})
            raise _Ended
        is_passed = bool(value)
        self._send({"assert": number, "passed": is_passed, "lines": self._lines[number]})
        if self._stops and not is_passed:
            raise _Ended

    def _call(self, *args: object, **kwargs: object) -> Any:
        try:
            self._send({"args": to_json(args)["$tuple"], "kwargs": {k: to_json(v) for k, v in kwargs.items()}})
        except ValueError as error:
            self._send({"broken": f"the check gives the program what cannot be sent: {error}"})
            raise _Ended from None
        reply = json.loads(self._requests.readline())
        if "value" in reply:
            return from_json(reply["value"])
        self._answered_with = _error(reply["raised"], reply["text"])
        raise self._answered_with

    def _is_missing(self, error: BaseException) -> bool:
        """Whether it is an import of the check's own that fails, and not one of the program's."""
        return isinstance(error, ImportError) and error is not self._answered_with

    def _send(self, message: dict[str, Any]) -> None:
        self._replies.write(json.dumps(message).encode() + b"\n")


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200].encode("utf-8", "backslashreplace").decode()


def _error(name: str, text: str) -> Exception:
    """The built-in exception of that name, but no failed assert, or else a `CandidateError`."""
    known = getattr(builtins, name, None)
    error: Exception = CandidateError(f"{name}: {text}")
    if isinstance(known, type) and issubclass(known, Exception) and known is not AssertionError:
        with contextlib.suppress(TypeError):
            error = known(text)
    return error


def _recording(code: str) -> tuple[ast.Module, list[tuple[int, int]], int]:
    """The check whose asserts record and go on, the lines that each of them stands on, and how many only fail."""
    transformer = _Asserts()
    tree = transformer.visit(ast.parse(code))
    return ast.fix_missing_locations(tree), transformer.lines, transformer.guards


class _Asserts(ast.NodeTransformer):
    def __init__(self) -> None:
        self.lines: list[tuple[int, int]] = []
        self.guards = 0

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        """``assert x`` as ``try: record(n, x)``, ``except Exception: record(n, False, True)``.

        One that holds whatever the program is, ``assert True``, says nothing, and is left as it stands.
        """
        if isinstance(node.test, ast.Constant):
            if node.test.value:
                return node
            self.guards += 1
        number = ast.Constant(len(self.lines))
        self.lines.append((node.lineno, node.end_lineno or node.lineno))
        handler = ast.ExceptHandler(ast.Name(ERROR, ast.Load()), None, [_record(number, FALSE, TRUE)])
        return ast.copy_location(ast.Try([_record(number, node.test)], [handler], [], []), node)


def _record(*arguments: ast.expr) -> ast.Expr:
    return ast.Expr(ast.Call(ast.Name(RECORD, ast.Load()), [*arguments], []))
