"""A program judged by a check: each runs in a sandbox of its own, and we carry plain values between the two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from ...orchestrator.code_tests import CheckTest
from ...orchestrator.errors import VerifierError
from ..sandbox import Limits, Session, opened
from .called_program import Answer, CalledProgram
from .harness import harness
from .verdict import Verdict, cut, failure, outcome_of, told

MOST_MESSAGES = 100_000
"""Most calls and asserts of one check."""
JUDGE = {"wall_s": 3600.0, "reply_bytes": 1 << 24}
"""Limits of the check's own sandbox: it waits while the program works, and asks for as much as it likes."""


async def checked(program: CalledProgram, test: CheckTest, limits: Limits, stops: bool = False) -> list[Verdict]:
    """One verdict for each assert about the program that the check executes, in that order.

    Those are the asserts in which or after which the check has called the program; one before, or an ``assert True``,
    would be passed by any. Where none is executed, an ``assert False`` that is not reached is passed. A call in an
    assert that fails, in whatever way, fails that assert alone. An error elsewhere ends the check, and so does its
    process: each assert of its text that was never reached then fails, once, or the first alone where it `stops`.

    Args:
        program: what is judged.
        test: the check.
        limits: processor seconds and memory that the check may use by itself.
        stops: whether to stop at the first assert that fails.

    Raises:
        VerifierError: the check cannot be run on any program.
    """
    async with opened(harness("judge_worker"), limits=limits.model_copy(update=JUDGE)) as judge:
        first = {**test.model_dump(include={"code", "prefix", "entry_point"}), "stops": stops}
        await judge.send(json.dumps(first).encode())
        await program.start()
        return await _Hearing(program, test, judge, stops).verdicts()


class _Hearing:
    def __init__(self, program: CalledProgram, test: CheckTest, judge: Session, stops: bool) -> None:
        self._program, self._test, self._judge, self._stops = program, test, judge, stops
        self._found: list[Verdict] = []
        self._last: Answer | None = None
        self._is_called = self._is_answered = False
        self._asserts = self._guards = 0
        self._reached: set[int] = set()

    async def verdicts(self) -> list[Verdict]:
        for _ in range(MOST_MESSAGES):
            line = await self._judge.receive()
            if line is None:
                return self._found + self._rest(await self._cut_off())
            message = orjson.loads(line)
            if "broken" in message:
                raise _broken(message["broken"])
            if "end" in message:
                if message["end"] and not self._is_called:
                    raise _broken(message["end"])
                return self._found + self._rest(message["end"] and f"the check ended with {message['end']}")
            if "asserts" in message:
                self._asserts, self._guards = min(message["asserts"], MOST_MESSAGES), message["guards"]
            elif "assert" in message:
                self._hear(message)
                if self._stops and not message["passed"]:
                    return self._found
            else:
                await self._judge.send(json.dumps(await self._relayed(message)).encode())
        return self._found + self._rest("the check did not end")

    async def _relayed(self, call: Mapping[str, Any]) -> dict[str, Any]:
        self._is_called = True
        answer = await self._program.call(self._test.entry_point, call["args"], call["kwargs"])
        if self._last is None or self._last.status == "returned":
            self._last = answer
        if answer.status == "returned":
            self._is_answered = True
            return {"value": answer.form}
        return {"raised": answer.error, "text": answer.text or answer.status}

    def _hear(self, message: Mapping[str, Any]) -> None:
        self._reached.add(message["assert"])
        first, last = message["lines"]
        asserted = "\n".join(self._test.code.split("\n")[first - 1 : last]).strip()
        if self._is_called:
            self._found.append(Verdict("pass") if message["passed"] else self._failure(cut(asserted)))
        elif not message["passed"]:
            raise _broken(f"{cut(asserted)} fails before the program is called")
        self._last = None

    def _rest(self, error: str) -> list[Verdict]:
        """What follows the asserts that were reached, where the check ended with an error or without."""
        if not self._asserts or not self._is_called or not (error or self._found or self._guards):
            raise _says_nothing()
        if not error:
            return [] if self._found else [Verdict("pass")]
        return [self._failure(error)] * (1 if self._stops else max(1, self._asserts - len(self._reached)))

    async def _cut_off(self) -> str:
        ran = await self._judge.end()
        if not self._is_answered:
            raise VerifierError(f"a check must end by itself, but its process ended: {ran.status}; mend it")
        return f"the check came to {ran.status} on what the program returned"

    def _failure(self, what: str) -> Verdict:
        if self._last is None:
            return failure(self._test, "fail", what)
        return failure(self._test, outcome_of(self._last), f"{what}, but {told(self._last)}", self._last.error)


def _broken(problem: str) -> VerifierError:
    return VerifierError(f"a check must define check(candidate) and run, but: {problem}; mend it")


def _says_nothing() -> VerifierError:
    return VerifierError("a check must assert something of what the program returns, but the check asserts nothing")
