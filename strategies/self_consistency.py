"""Self-consistency: draw N candidates and let their answers vote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..orchestrator.context import Context
from ..orchestrator.shape import Plan, Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .drawing import Drawing, Draws
from .voting import vote


class SelfConsistency(Drawing):
    """Draw `n` candidates and put first those whose answer is the most frequent (Wang et al. 2023).

    Answers are compared by canonical key, so that equality is an equivalence; candidates without an answer abstain.
    Costs `n` draws; one call deep.

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
