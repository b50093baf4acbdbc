"""What judges that compare candidates have in common: what they ask, what that costs, and how a verdict is signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..orchestrator.draw import Ask
from ..orchestrator.engine import Completion, Engine, Sampling
from ..orchestrator.prompting import asked, fenced, fill, numbered, question_of
from ..orchestrator.types import COUNTS, Candidate, Query, Score, Usage
from .asked_engine import asked_engine
from .judge import Judge, most
from .shared_cost import shares
from .verdicts import DIGITS, code_for, signed

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

EVEN = 0.5
"""The score of a candidate that has nobody to be compared with."""


class RelativeJudge(Judge):
    """A judge that shows several candidates in one prompt; a subclass implements `compare`, `calls` and `shown`.

    Args:
        signed: whether a verdict counts only behind a code that is made for each prompt, so that a judge that echoes a
            response cannot pass on a verdict that stands in it. Turn it off for a model too small to copy eight digits.
        temperature: softmax temperature of a reply, 0 to 10; 0 is greedy.
        max_tokens: most tokens of a reply.
    """

    signed: bool = True
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.0
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 1024

    @property
    def is_relative(self) -> bool:
        return True

    @property
    def template(self) -> str:
        """How it is asked, with places for the question, the responses and, where it writes, the code."""
        raise TypeError(f"{type(self).__name__} must have a template")

    @property
    def is_read(self) -> bool:
        """Whether the probabilities of labels are read, and nothing is written."""
        return False

    def calls(self, together: int) -> int:
        """The most calls that it takes to compare so many different candidates, at least two."""
        raise TypeError(f"{type(self).__name__} must count its calls")

    def shown(self, together: int) -> int:
        """The most candidates in one prompt."""
        raise TypeError(f"{type(self).__name__} must say how many it shows")

    async def compare(self, query: Query, texts: Sequence[str], ctx: Judging) -> list[Score]:
        """One score for each of at least two texts, all of them different, in an order that they make themselves."""
        raise TypeError(f"{type(self).__name__} must implement compare")

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        engine = asked_engine(self, engines, self.engine, writes=not self.is_read, labels=self.is_read)
        if together < 2:
            return Usage()
        template = fill(self.template, question="", responses="", code=" " * (DIGITS + 1))
        reads = prompt_tokens + self.reads(template, completion_tokens, self.shown(together))
        one = most(engine, reads, 1 if self.is_read else self.max_tokens)
        calls = self.calls(together)
        return shares(Usage(*(getattr(one, name) * calls for name in COUNTS)), together)[0]

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        order = sorted(range(len(candidates)), key=lambda i: self.seed(candidates[i], ctx))
        scores = await super().score(query, [candidates[i] for i in order], ctx)
        return [score for _, score in sorted(zip(order, scores, strict=True), key=lambda each: each[0])]

    async def judge(self, query: Query, texts: Sequence[str], ctx: Judging) -> list[Score]:
        if len(texts) < 2:
            return [Score(EVEN, detail="no other candidate to compare with")] * len(texts)
        return await self.compare(query, texts, ctx)

    def seed(self, candidate: Candidate, ctx: Judging) -> tuple[float | str, ...]:
        """Where a candidate stands before anything is judged, the smallest first; never where it came in."""
        return (ctx.nonce(candidate.text),)

    def question(self, query: Query, texts: Sequence[str], ctx: Judging) -> tuple[Ask, str]:
        """What is asked about `texts`, once, and the code that signs the verdict."""
        question = question_of(query)
        code = code_for(ctx, question, *texts) if self.signed and not self.is_read else ""
        shown = {"question": fenced(question, ctx), "responses": numbered(texts, ctx)}
        text = fill(self.template, **shown, code=f"{code} " if code else "")
        sampling = Sampling(temperature=self.temperature, max_tokens=self.max_tokens)
        return Ask(asked(query, text), sampling, 1, self.engine), code


def verdict_line(reply: Completion | None, code: str) -> str:
    """What a reply that came to its end says behind the code on its last line; empty where it says nothing there."""
    return signed(reply.text, code) if reply is not None and reply.finish.is_complete else ""
