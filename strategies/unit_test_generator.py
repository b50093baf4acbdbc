"""Unit-test generator: a model writes, in words, what a good answer should fulfil."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import Template, asked, fill, question_of
from ..orchestrator.replies import listed
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from .asking import Asking
from .placing import check_given

PROMPT = """Question:
{question}

Write up to {count} unit tests for an answer to this question. A unit test is one short statement that is true of a \
good answer and can be checked by reading the answer alone. Reply with a JSON list of strings and nothing else, like:
["The answer names a unit.", "The result is positive."]"""


class UnitTestGenerator(Asking):
    """Give the candidates unit tests in words, written in one call from the question alone.

    The reply is a JSON list of strings, or lines that begin as items of a list; anything else gives no tests, which is
    noted in the result. Tests go with the candidates that they are for.

    Family: composition
    When it pays: a `unit_test_evaluator` comes after it, and the question implies what an answer must do. Alone it
        changes no answer.
    Cost: 1 call; depth 1.
    Source: Saad-Falcon et al. 2024 (Archon), arXiv 2409.15254, section 3.1.
    Departs: tests belong to their candidates and go with them.

    Args:
        tests: tests at most, 1 to 100.
        prompt: how they are asked for.
    """

    chooses: ClassVar[bool] = False
    kind: Literal["unit_test_generator"] = "unit_test_generator"
    tests: Annotated[int, Field(ge=1, le=100)] = 8
    prompt: Annotated[str, Template("question", "count")] = PROMPT

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The same candidates, each with unit tests."""
        check_given(self, shape, plan)
        certain, reads = min(shape.fewest, 1), plan.template(self.prompt)
        return shape.with_carried("unit_tests", plan.sample(1, self.sampling, self.engine, fewest=certain, reads=reads))

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The candidates in their order."""
        if not candidates or ctx.is_stopped:
            return list(candidates)
        text = fill(self.prompt, question=question_of(query), count=str(self.tests))
        replies = await ctx.sample(asked(query, text), 1, self.sampling, engine=self.engine)
        if not replies:
            return list(candidates)
        tests = tuple(listed(replies[0].text, self.tests))
        if not tests:
            self.note_unread(ctx, "a JSON list of strings or the items of a list")
        return [replace(candidate, unit_tests=tests or candidate.unit_tests) for candidate in candidates]
