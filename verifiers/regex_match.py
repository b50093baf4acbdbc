"""Whether an attempt matches a regular expression."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ..orchestrator.canonical import stable_id
from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale, Verifier
from .answers import AnyAnswer, TextAnswer
from .child_processes.child_pool import CpuSeconds, pool_of
from .rule_score import rule_score

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

Flag = Literal["ascii", "dotall", "ignorecase", "multiline", "verbose"]
WORKER = "text_worker"


def _compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"it must be a regular expression of Python, but: {error}; mend it there") from None


def _checked(pattern: str) -> str:
    _compiled(pattern)
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_checked)]


class RegexMatch(Verifier):
    """1 where an attempt matches a regular expression, else 0; with a `group`, where that holds the reference.

    The pattern is one of Python's ``re``. The first match counts; to take the last one begin the pattern with
    ``(?s:.*)``. Some patterns take for ever on some texts, so the work is done in a child process: what takes longer
    than `cpu_s` is not judged: ``Score(None)``.

    Evidence: the text of the attempt; with a group the reference too.
    When to trust it: what is right has a form that a pattern can tell. A pattern tells form alone, so an attempt may
        match that only looks right.
    Cost: no tokens; a fraction of a millisecond of a child process.
    Source: the exact match behind a regular expression of the language model evaluation harnesses, e.g. Gao et al.
        2024, "lm-evaluation-harness", filter ``regex``.
    Departs: the harness takes what does not match for an answer that is spelled ``[invalid]``; here it is wrong.

    Args:
        pattern: the regular expression, at most 10,000 characters.
        mode: whether it must match somewhere (``search``) or the whole text (``fullmatch``).
        flags: how it is read.
        group: the number or name of the group that is compared with the reference; None compares nothing.
        answer: how the group and the reference are read before they are compared.
        cpu_s: CPU seconds that one text may take.
    """

    kind: Literal["regex_match"] = "regex_match"
    pattern: Pattern
    mode: Literal["search", "fullmatch"] = "search"
    flags: tuple[Flag, ...] = ()
    group: Annotated[int, Field(ge=0)] | str | None = None
    answer: AnyAnswer = TextAnswer()
    cpu_s: CpuSeconds = 1.0

    @model_validator(mode="after")
    def _has_its_group(self) -> RegexMatch:
        compiled = _compiled(self.pattern, self._bits)
        known = [*range(compiled.groups + 1), *compiled.groupindex]
        if self.group is not None and self.group not in known:
            raise ValueError(f"group must be one that the pattern has ({known}), got {self.group!r}; mend either")
        return self

    @property
    def name(self) -> str:
        """The kind, and six digits that name the pattern and how it is used."""
        return f"{self.kind}:{stable_id(self)[:6]}"

    @property
    def score_scale(self) -> Scale:
        return "binary"

    @property
    def needs_reference(self) -> bool:
        return self.group is not None

    @property
    def is_recorded(self) -> bool:
        return True

    def check(self) -> None:
        self.answer.check()

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        gold: str | None = None
        if self.group is not None:
            gold = await self.answer.reference_key(query.reference) if query.reference is not None else None
            if gold is None:
                problem = f"the query has no reference answer of kind {self.answer.kind!r}"
                return [rule_score(None, problem)] * len(candidates)
        return list(await asyncio.gather(*(self._judged(each.text, gold) for each in candidates)))

    async def _judged(self, text: str, gold: str | None) -> Score:
        reply = await pool_of(WORKER).ask(
            "matched",
            cpu_s=self.cpu_s,
            pattern=self.pattern,
            flags=self._bits,
            mode=self.mode,
            group=self.group,
            text=text,
        )
        if reply.problem:
            return rule_score(None, reply.problem)
        if not isinstance(reply.value, str):
            return rule_score(float(bool(reply.value)), "" if reply.value else "no match")
        (key,) = await self.answer.keys([reply.value])
        return rule_score(0.0, "no answer in the group") if key is None else rule_score(float(key == gold))

    @property
    def _bits(self) -> int:
        return int(sum(getattr(re, flag.upper()) for flag in set(self.flags)))
