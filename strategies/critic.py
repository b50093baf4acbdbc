"""Critic: one call tells the strengths and weaknesses of every candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import FENCED, Template, asked, fill, numbered, question_of
from ..orchestrator.replies import sections
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from .asking import Asking

PROMPT = f"""Below are a question and numbered responses to it. {FENCED}
Question:
{{question}}

Responses:
{{responses}}

For every response, tell its strengths and its weaknesses: what is right, what is wrong or missing, and what would \
improve it. Begin the part about a response on a new line with its number in square brackets, like this:
[1]
Strengths: ...
Weaknesses: ..."""


class Critic(Asking):
    """Give each candidate its critique, all in one call.

    A critique belongs to its candidate and goes with it. A candidate that the reply says nothing about, or two things,
    keeps the critique it had, if any.

    Family: composition
    When it pays: a `ranker` or a `fuse` comes after it and profits from strengths and weaknesses spelt out. Alone it
        changes no answer.
    Cost: 1 call; depth 1.
    Source: Saad-Falcon et al. 2024 (Archon), arXiv 2409.15254, section 3.1.
    Departs: the published code keeps critiques in a list beside the candidates, which outlives them.

    Args:
        prompt: how it is asked; the reply has a part for each response, headed [1], [2], ...
    """

    chooses: ClassVar[bool] = False
    kind: Literal["critic"] = "critic"
    prompt: Annotated[str, Template("question", "responses")] = PROMPT

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The same candidates, each with a critique."""
        return shape.with_carried("critique", self.asks(plan, shape, self.prompt, 1, min(shape.fewest, 1), shape.most))

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The candidates in their order."""
        if not candidates or ctx.is_stopped:
            return list(candidates)
        responses = numbered([candidate.text for candidate in candidates], ctx)
        text = fill(self.prompt, question=question_of(query), responses=responses)
        replies = await ctx.sample(asked(query, text), 1, self.sampling, engine=self.engine)
        if not replies:
            return list(candidates)
        found = sections(replies[0].text, len(candidates))
        if not any(found):
            self.note_unread(ctx, "parts headed [1], [2], ...")
        return [c.with_critique(part) if part else c for c, part in zip(candidates, found, strict=True)]
