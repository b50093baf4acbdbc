"""The bench on which programs are run: on their tests, and on inputs of anyone's making."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from ...orchestrator.canonical import stable_id
from ...orchestrator.code_tests import AnyCodeTest, CallTest, CheckTest, StdinTest
from ...orchestrator.plain_values import to_json
from ..sandbox import Limits, Ran, run
from ..sandbox.slots import slots
from .called_program import LOST, CalledProgram, last_line
from .checked import checked
from .plain_comparison import agree, spelled
from .verdict import Verdict, cut, failure, outcome_of, told

LONGEST = 1 << 14
"""Most characters of an output."""


@dataclass(frozen=True, slots=True)
class Bench:
    """How programs are tested.

    Args:
        limits: what a program may use, in one start.
        readable: folders it may read and import from.
        stops: whether to stop at the first test that is not passed.
        only_public: whether public tests alone are run.
    """

    limits: Limits
    readable: tuple[Path, ...] = ()
    stops: bool = False
    only_public: bool = False

    async def verdicts(self, text: str, tests: Sequence[AnyCodeTest]) -> list[Verdict]:
        """One verdict a test, and of a check one an assert, in order; none where no test is to be run."""
        found: list[Verdict] = []
        async with slots().taken(), self._program(text, tests) as program:
            for test in (each for each in tests if each.is_public or not self.only_public):
                if isinstance(test, StdinTest):
                    found.append(await self._printed(text, test))
                elif isinstance(test, CallTest):
                    found.append(await _returned(program, test))
                else:
                    found += await checked(program, test, self.limits, self.stops)
                if self.stops and found[-1].outcome != "pass":
                    break
        return found

    def _program(self, text: str, tests: Sequence[AnyCodeTest]) -> CalledProgram:
        """The program, after the prefix that a check may have; it starts when a function of it is called."""
        check = next((test for test in tests if isinstance(test, CheckTest)), None)
        prefix, entry_point = (check.prefix, check.entry_point) if check else ("", "")
        return CalledProgram(text, prefix, entry_point, self.limits, self.readable)

    async def outputs(self, text: str, tests: Sequence[AnyCodeTest], inputs: Sequence[str]) -> list[str | None]:
        """What the program gives for each input, in one spelling; None where it gives nothing, fails or is ended.

        Where the tests call a function, an input is a JSON list of its arguments, otherwise the text of its standard
        input. What is longer than `LONGEST` characters is cut, and told from others by its hash.
        """
        function = function_of(tests)
        async with slots().taken(), self._program(text, tests) as program:
            if function is None:
                return [await self._output(text, given) for given in inputs]
            return [await _value(program, function, given) for given in inputs]

    async def _output(self, text: str, stdin: str) -> str | None:
        ran = await self._run(text, stdin)
        return _shortened(trimmed(ran.stdout)) if ran.status == "done" else None

    async def _run(self, text: str, stdin: str) -> Ran:
        return await run(text, stdin=stdin.encode("utf-8", "surrogatepass"), readable=self.readable, limits=self.limits)

    async def _printed(self, text: str, test: StdinTest) -> Verdict:
        ran = await self._run(text, test.stdin)
        if ran.status != "done":
            last = last_line(ran)
            note = f"on input {cut(repr(test.stdin))}: {last}"
            return failure(test, LOST.get(ran.status, "crash"), note, last.partition(":")[0])
        wanted, got = trimmed(test.stdout.encode("utf-8", "surrogatepass")), trimmed(ran.stdout)
        shown = f"on input {cut(repr(test.stdin))} it must print {cut(repr(wanted))}, but printed {cut(repr(got))}"
        return Verdict("pass") if got == wanted else failure(test, "fail" if got else "no_output", shown)


async def _returned(program: CalledProgram, test: CallTest) -> Verdict:
    args = [to_json(value) for value in test.args]
    kwargs = {name: to_json(value) for name, value in test.kwargs.items()}
    answer = await program.call(test.function, args, kwargs)
    wanted = to_json(test.result)
    if answer.status == "returned" and agree(answer.form, wanted, test.absolute, test.relative):
        return Verdict("pass")
    given = [cut(spelled(each)) for each in args] + [f"{name}={cut(spelled(each))}" for name, each in kwargs.items()]
    call = f"{test.function}({', '.join(given)}) must return {cut(spelled(wanted))}"
    return failure(test, outcome_of(answer), f"{call}, but {told(answer)}", answer.error)


async def _value(program: CalledProgram, function: str, given: str) -> str | None:
    try:
        args = orjson.loads(given)
        spelled(args)
    except ValueError:
        return None
    answer = await program.call(function, args, {}) if isinstance(args, list) else None
    return _shortened(spelled(answer.form)) if answer and answer.status == "returned" else None


def function_of(tests: Sequence[AnyCodeTest]) -> str | None:
    """The function that the tests call, if any."""
    names = (
        test.function if isinstance(test, CallTest) else test.entry_point for test in tests if test.kind != "stdin"
    )
    return next(names, None)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... {len(text)} characters, hash {stable_id(text)}"


def trimmed(printed: bytes) -> str:
    r"""What was printed, without spaces at the ends of lines and without empty lines at the end.

    >>> trimmed(b"1 \r\n 2\n\n")
    '1\n 2'
    """
    lines = printed.decode("utf-8", "replace").split("\n")
    return "\n".join(line.rstrip() for line in lines).rstrip("\n")
