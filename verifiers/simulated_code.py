"""Programs of the simulated model: an attempt's answer taken as a program, with tests and outputs known exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Executor
from .naming import name_of

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class SimulatedCode(Executor):
    """Takes the whole number that an attempt ends in for a program: given a number, it prints the remainder.

    Its public tests ask for the remainders of the reference answer by `tests`, so that, as in practice, wrong
    programs pass some of them and few pass all. An input that is no positive whole number is a crash.

    Evidence: the number that the text ends in, and the reference.
    When to trust it: in simulations, where it stands in for `python_code`; its tests are as thin as its few divisors.
    Cost: nothing.
    Source: none; it makes strategies that execute programs testable without a sandbox.
    Departs: nowhere.

    Args:
        tests: the divisors that the public tests ask for.
    """

    kind: Literal["simulated_code"] = "simulated_code"
    tests: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (2, 3)

    @property
    def name(self) -> str:
        """The kind, and six digits for what is not the default."""
        return name_of(self)

    @property
    def needs_reference(self) -> bool:
        return True

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        right = _program(query.reference or "")
        if right is None:
            return [Score(None, kind="exact", detail="the query has no reference answer")] * len(candidates)
        return [self._score(_program(candidate.text), right) for candidate in candidates]

    def _score(self, program: int | None, right: int) -> Score:
        steps = tuple(float(program is not None and program % by == right % by) for by in self.tests)
        return Score(math.fsum(steps) / len(steps), steps, kind="exact")

    async def outputs(
        self, query: Query, candidates: Sequence[Candidate], inputs: Sequence[str], ctx: Judging
    ) -> list[list[str | None]]:
        return [[_printed(_program(candidate.text), given) for given in inputs] for candidate in candidates]


def _program(text: str) -> int | None:
    """The whole number at the end of `text`."""
    last = text.split()[-1] if text.split() else ""
    return int(last) if last.isdecimal() and len(last) < 10 else None


def _printed(program: int | None, given: str) -> str | None:
    by = _program(given)
    return None if program is None or not by else str(program % by)
