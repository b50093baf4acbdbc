"""Self-consistency: draw N candidates and let their answers vote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .drawing import Draws, FormedDrawing
from .voting import vote


class SelfConsistency(FormedDrawing):
    """Draw `n` candidates and put first those whose answer is the most frequent.

    Answers are compared by canonical key, so that equality is an equivalence; candidates without an answer abstain.

    Family: parallel sampling
    When it pays: answers are short and can be compared, and the right one is the most frequent though seldom the
        majority. It cannot help where one wrong answer is the favourite, nor where answers are free text.
    Cost: `n` draws; depth 1.
    Source: Wang et al. 2023, arXiv 2203.11171, section 2.
    Departs: equally frequent answers go by their earliest draw, where the source leaves ties open; what has no answer
        is no class of its own.

    Args:
        answer: how the answer is read from a candidate.
    """

    kind: Literal["self_consistency"] = "self_consistency"
    n: Draws = 8
    answer: AnyAnswer = NumberAnswer()

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """`n` fresh candidates."""
        self.answer.check()
        return self.draws(shape, plan)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The draws, those of the winning answer first."""
        drawn = await ctx.sample(query, self.n, self.sampling, engine=self.engine)
        return vote(await ctx.answer(drawn, self.answer))
