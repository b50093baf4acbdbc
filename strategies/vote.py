"""Vote: let the candidates of earlier nodes vote by their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Query
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .voting import note_unweighable, vote


class Vote(Strategy):
    """Order the candidates of earlier nodes by the vote of their answers.

    Each counts as one, or as the score it carries already under the verifier named by `weights`. A negative score
    weighs nothing, and is noted in the result. Candidates without an answer come last.

    Family: selection
    When it pays: answers can be compared and several sources drew them; weighted, where a verifier is better than
        chance but too noisy to choose alone.
    Cost: nothing; depth 0.
    Source: Wang et al. 2023, arXiv 2203.11171, section 2; weighted: Li et al. 2023, arXiv 2206.02336, the voting
        verifier.
    Departs: where all weights are zero the count decides; what has no answer is no class of its own.

    Args:
        answer: how the answer is read from a candidate.
        weights: the name of the verifier whose scores are the weights; None counts each candidate as one.
    """

    writes: ClassVar[bool] = False
    kind: Literal["vote"] = "vote"
    answer: AnyAnswer = NumberAnswer()
    weights: str | None = None

    def engine_names(self) -> tuple[str, ...]:
        """None: a vote asks nobody."""
        return ()

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The same candidates in another order."""
        if shape.is_empty:
            raise plan.refuse(
                "vote chooses among candidates, but nothing before it draws any", "put a sample before it"
            )
        if self.weights is not None and self.weights not in shape.scored_by:
            scored = ", ".join(sorted(shape.scored_by)) or "none"
            rule = f"vote weighs by the scores of {self.weights!r}, but candidates carry those of: {scored}"
            raise plan.refuse(rule, "put a rank with that verifier before it, or drop weights")
        self.answer.check()
        return shape

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The candidates, those of the winning answer first."""
        if self.weights is not None:
            note_unweighable(candidates, self.weights, ctx)
        answered = await ctx.answer(candidates, self.answer)
        return vote(answered, self.weights or "", weighted=self.weights is not None)
