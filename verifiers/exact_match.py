"""Whether an answer is the reference answer, by its canonical key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale, Verifier
from .answers import AnyAnswer, NumberAnswer
from .naming import digits
from .rule_score import rule_score

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class ExactMatch(Verifier):
    """1 where the candidate's canonical answer equals the reference's, else 0; an answer that cannot be read is wrong.

    A query without a reference, or with one that cannot be read, is not judged: ``Score(None)``.

    Evidence: the answer that `answer` reads from the text, and the reference.
    When to trust it: each answer has one canonical spelling, as numbers have. It says what a vote by the same `answer`
        takes for one answer, so that grading and voting agree.
    Cost: nothing; mathematical answers milliseconds of a child process.
    Source: Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1, exact match.
    Departs: what is equal is decided by a canonical form of the kind of answer, not by dropping articles and
        punctuation.

    Args:
        answer: how an answer is read.
    """

    kind: Literal["exact_match"] = "exact_match"
    answer: AnyAnswer = NumberAnswer()

    @property
    def name(self) -> str:
        """The kind, and the kind of answer where it is not a number, with what of it is not the default."""
        return self.kind if self.answer == NumberAnswer() else f"{self.kind}:{self.answer.kind}{digits(self.answer)}"

    @property
    def score_scale(self) -> Scale:
        return "binary"

    @property
    def needs_reference(self) -> bool:
        return True

    @property
    def is_recorded(self) -> bool:
        return self.answer.is_recorded

    def check(self) -> None:
        self.answer.check()

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        if query.reference is None:
            return [rule_score(None, "the query has no reference answer")] * len(candidates)
        gold = await self.answer.reference_key(query.reference)
        if gold is None:
            problem = f"the reference {query.reference[:80]!r} holds no answer of kind {self.answer.kind!r}"
            return [rule_score(None, problem)] * len(candidates)
        keys = await self.answer.keys([candidate.text for candidate in candidates])
        return [rule_score(0.0, "no answer found") if key is None else rule_score(float(key == gold)) for key in keys]
