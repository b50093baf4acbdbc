"""Whether an answer is mathematically equal to the reference."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale, Verifier
from .child_processes.child_pool import ChildPool, CpuSeconds
from .child_processes.math_pool import check_installed, math_pool
from .math_text import LONGEST, final_expression, fraction_of, is_within_limits, plain
from .naming import name_of
from .number import as_number
from .rule_score import rule_score

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class MathAnswer(Verifier):
    """1 where the final answer is mathematically equal to the reference, else 0.

    The answer is the last complete ``\\boxed{}``, else what follows the last "answer is" or "####", else the last
    formula or number. One that cannot be found or read is wrong. The algebra is done in child processes: what takes
    longer than `cpu_s`, has more than 2,000 characters or nests more than 50 brackets is not judged: ``Score(None)``.

    Evidence: the final answer, and the reference.
    When to trust it: the reference is right and is mathematics, not a proof. Units do not count, a percentage may be
        written as a fraction, and a rounded decimal may pass for an irrational number.
    Cost: no tokens; milliseconds of a child process, nothing where the spelling decides.
    Source: math-verify (Kydlíček and Gandenberger 2025), the reference first: the check is not symmetric, ``1<x<2``
        accepts ``(1,2)``, not the other way. So it grades and never groups votes; `SymbolicAnswer` does that.
    Departs: equal spellings and whole numbers are told without it; its time limits, which fail outside the main thread,
        are replaced by limits of the child process.

    Args:
        cpu_s: CPU seconds that one comparison may take.
    """

    kind: Literal["math_answer"] = "math_answer"
    cpu_s: CpuSeconds = 2.0

    @property
    def name(self) -> str:
        """The kind, and six digits for what is not the default."""
        return name_of(self)

    @property
    def score_scale(self) -> Scale:
        return "binary"

    @property
    def needs_reference(self) -> bool:
        return True

    @property
    def is_recorded(self) -> bool:
        return True

    def check(self) -> None:
        check_installed()

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        pool = math_pool()
        return list(await asyncio.gather(*(self._judged(query.reference, each.text, pool) for each in candidates)))

    async def _judged(self, reference: str | None, text: str, pool: ChildPool) -> Score:
        if reference is None or not reference.strip():
            return rule_score(None, "the query has no reference answer")
        gold = final_expression(reference) or reference.strip()
        answer = final_expression(text)
        if answer is None:
            return rule_score(0.0, "no final answer found")
        if not is_within_limits(answer) or not is_within_limits(gold):
            return rule_score(None, f"longer than {LONGEST} characters, or nested too deep")
        known = _compared(gold, answer)
        if known is not None:
            return rule_score(float(known))
        reply = await pool.ask("is_right", gold=gold, answer=answer, cpu_s=self.cpu_s)
        return rule_score(None, reply.problem) if reply.problem else rule_score(float(bool(reply.value)))


def _compared(gold: str, answer: str) -> bool | None:
    """Whether they are equal, where that can be seen without algebra: one spelling, or two whole numbers."""
    one, other = plain(gold), plain(answer)
    if one == other:
        return True
    numbers = as_number(fraction_of(one)), as_number(fraction_of(other))
    if None not in numbers and numbers[0] == numbers[1]:
        return True
    is_whole = all(re.fullmatch("-?[0-9]+", each) for each in (one, other))
    return False if is_whole and "%" not in gold + answer else None
