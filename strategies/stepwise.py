"""What strategies that search step by step over text have in common: their knobs, their cost, and how they choose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..orchestrator.context import Context
from ..orchestrator.errors import UsageError
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..orchestrator.verifier import Verifier
from ..verifiers import AnyVerifier
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .cut import cut
from .drawing import Drawing, Draws
from .level_search import Allocator, Domain, Found, search
from .ranking import ranked
from .text_steps import TextSteps
from .voting import note_unweighable, vote

Choice = Literal["score", "vote", "weighted_vote"]


def _pattern(leaf: str) -> str:
    try:
        re.compile(leaf)
    except re.error as error:
        raise UsageError(f"leaf must be a regular expression, got {leaf!r}: {error}; mend it") from None
    return leaf


class Stepwise(Drawing):
    """A strategy that extends partial answers step by step, judges them, and decides which go on.

    A subclass gives an `allocator`. `max_tokens` is the most of a whole path. With `n` = 1 nothing is judged.

    Args:
        n: paths that end, at most.
        verifier: judges partial and whole paths.
        separator: the text that ends a step, and stays in it.
        leaf: a regular expression; a step in which it is found ends its path. Empty: only the end token does.
        step_tokens: most tokens of a step.
        max_steps: most steps of a path; one that is longer is cut.
        lookahead: greedy steps made after a path before it is judged, and then dropped; they are paid for.
        choose: whether the best ``score`` comes first, or the answer that most paths (``vote``) or the most score
            (``weighted_vote``) stand behind.
        answer: how an answer is read, where votes choose.
    """

    n: Draws = 16
    verifier: AnyVerifier
    separator: Annotated[str, Field(min_length=1)] = "\n"
    leaf: Annotated[str, AfterValidator(_pattern)] = ""
    step_tokens: Annotated[int, Field(ge=1, le=100_000)] = 128
    max_steps: Annotated[int, Field(ge=1, le=1000)] = 32
    lookahead: Annotated[int, Field(ge=0, le=64)] = 0
    choose: Choice = "score"
    answer: AnyAnswer = NumberAnswer()

    def allocator(self) -> Allocator:
        """Decides who goes on; a new one for each run."""
        raise TypeError(f"{type(self).__name__} must implement allocator")

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from and those the verifier asks."""
        return (self.engine, *self.verifier.engine_names())

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` paths, judged; every level may have `n` steps."""
        self.check_first(shape, plan)
        if self.choose != "score":
            self.answer.check()
        made = Shape()
        for level in range(self.max_steps):
            made = self.plan_level(plan, level)
        return made

    def plan_level(self, plan: Plan, level: int) -> Shape:
        """Count `n` steps after `level` others; what flows when they are the last."""
        fewest = None if level == 0 else 0
        if not self.lookahead or self.judge is None:
            return self._plan_steps(plan, level, fewest, self.judge)
        made = seen = self._plan_steps(plan, level, fewest)
        for further in range(level + 1, level + self.lookahead + 1):
            seen = self._plan_steps(plan, further, 0)
        with plan.maybe():
            return replace(made, scored_by=plan.score(seen, self.judge).scored_by)

    def _plan_steps(self, plan: Plan, level: int, fewest: int | None, then: Verifier | None = None) -> Shape:
        after = min(level * self.step_tokens, self.max_tokens - 1)
        step = self.sampling.model_copy(update={"max_tokens": min(self.step_tokens, self.max_tokens)})
        n = self.n if level else self.first
        return plan.sample(n, step, self.engine, then, fewest=fewest, after=after)

    @property
    def first(self) -> int:
        """Children on the first level."""
        return self.n

    @property
    def judged_by(self) -> str:
        """What the scores that decide are filed under."""
        return self.verifier.name

    @property
    def judge(self) -> Verifier | None:
        """The verifier, where there is anything to decide."""
        return self.verifier if self.n > 1 else None

    def steps(self, query: Query, ctx: Context) -> Domain[Candidate]:
        """The states searched over."""
        return TextSteps(
            query,
            ctx,
            self.sampling,
            engine=self.engine,
            separator=self.separator,
            step_tokens=self.step_tokens,
            leaf=self.leaf,
            verifier=self.judge,
            lookahead=self.lookahead,
        )

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The paths that ended, best first; where none did, the partial ones, marked as cut."""
        found = await search(
            self.steps(query, ctx), self.allocator(), n=self.n, depth=self.max_steps, rng=ctx.rng, first=self.first
        )
        return await self.chosen(found, ctx)

    async def chosen(self, found: Found[Candidate], ctx: Context) -> list[Candidate]:
        """Candidates in the order of choice; whole paths before cut ones."""
        return await self.ordered(self.paths(found, ctx), self.judged_by, ctx)

    def paths(self, found: Found[Candidate], ctx: Context) -> list[Candidate]:
        """The paths that ended; where none did, the partial ones, marked as cut."""
        ended = [node.state for node in found.ended]
        return ended or cut([node.state for node in found.unfinished], ctx)

    async def ordered(self, paths: Sequence[Candidate], by: str, ctx: Context) -> list[Candidate]:
        """`paths` as the scores under `by` choose, alone or as the weights of votes."""
        best = ranked(paths, by)
        if self.choose == "score":
            return sorted(best, key=lambda candidate: not candidate.finish.is_complete)
        if self.choose == "weighted_vote":
            note_unweighable(best, by, ctx)
        return vote(await ctx.answer(best, self.answer), by, weighted=self.choose == "weighted_vote")
