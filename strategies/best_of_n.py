"""Best-of-N: draw N candidates, judge each, keep the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyVerifier
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .drawing import Draws, FormedDrawing
from .ranking import ranked
from .voting import note_unweighable, vote


class BestOfN(FormedDrawing):
    """Draw `n` candidates and put first the one the verifier likes best.

    With `weighted`, the scores of candidates with the same answer are added and the best answer wins; a negative score
    weighs nothing there, and is noted in the result. Equal candidates are judged once, and a single draw is not judged
    at all.

    Family: parallel sampling
    When it pays: the model finds a right answer now and then, and the verifier ranks better than chance. Where most
        draws agree a vote is as good without a verifier; a verifier that errs makes large `n` worse, since the best
        scored is then the best at misleading it.
    Cost: `n` draws and at most `n` judgements; depth 2.
    Source: Cobbe et al. 2021, arXiv 2110.14168, section 4.2; `weighted`: Li et al. 2023, arXiv 2206.02336, the voting
        verifier.
    Departs: a candidate whose score is missing comes after all that have one, instead of being taken for the worst or
        the best.

    Args:
        verifier: judges each candidate.
        weighted: whether candidates with the same answer stand together.
        answer: how the answer is read from a candidate, where `weighted`.
    """

    kind: Literal["best_of_n"] = "best_of_n"
    n: Draws = 8
    verifier: AnyVerifier
    weighted: bool = False
    answer: AnyAnswer = NumberAnswer()

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from and those the verifier asks."""
        return (self.engine, *self.verifier.engine_names())

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """`n` fresh candidates, judged."""
        if self.weighted and self.n > 1:
            self.answer.check()
            if self.verifier.is_relative:
                compares = f"verifier {self.verifier.name!r} compares candidates with one another"
                rule = f"{compares}, but scores that are added must stand alone"
                raise plan.refuse(rule, "ask without weighted, or a verifier that judges each candidate by itself")
        return self.draws(shape, plan, self.verifier if self.n > 1 else None, together=not self.weighted)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The draws, best first."""
        if self.n == 1:
            return await ctx.sample(query, 1, self.sampling, engine=self.engine)
        drawn = await ctx.sample(query, self.n, self.sampling, engine=self.engine, then=self.verifier)
        judged = await ctx.score(query, drawn, self.verifier)
        if not self.weighted:
            return ranked(judged, self.verifier.name)
        note_unweighable(judged, self.verifier.name, ctx)
        return vote(await ctx.answer(judged, self.answer), self.verifier.name, weighted=True)
