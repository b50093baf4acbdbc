"""Confidence voting: only the attempts that the model wrote most surely vote, each by how sure it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.engine import Sampling
from ..orchestrator.shape import Plan, Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .confidence import CONFIDENCE, Measure, most_confident, with_confidence
from .drawing import Drawing, Draws
from .ranking import ranked
from .voting import vote

Share = Annotated[float, Field(gt=0, le=1)]
Window = Annotated[int, Field(ge=1, le=1_000_000)]
Ranks = Annotated[int, Field(ge=1, le=20)]


class ConfidenceVote(Drawing):
    """Draw `n` candidates and let the most confident of them vote.

    Each voter's confidence is its weight. The share that votes is one of the candidates with an answer; the others come
    after the voters, most confident first. Where the engine gives no confidences, all vote alike.

    Family: parallel sampling
    When it pays: the engine gives log-probabilities and wrong answers are written less surely: more accurate than a
        plain vote at the same draws. A model that is sure of its mistakes gains nothing, least of all with a small
        `keep`.
    Cost: `n` draws; depth 1.
    Source: Fu et al. 2025 (DeepConf), arXiv 2508.15260, offline thinking.
    Departs: candidates without an answer have no part in the share that votes.

    Args:
        measure: what the confidence of a candidate is: of all its tokens (``mean``), of the last `window` (``tail``),
            of the least sure tenth of all windows (``bottom``) or of the least sure window (``min``).
        window: tokens of a window.
        keep: the share of candidates that votes; the paper keeps 0.1 or 0.9.
        top_logprobs: ranked tokens that a token's confidence is the mean of.
        answer: how the answer is read from a candidate.
    """

    kind: Literal["confidence_vote"] = "confidence_vote"
    n: Draws = 8
    measure: Measure = "tail"
    window: Window = 2048
    keep: Share = 0.9
    top_logprobs: Ranks = 20
    answer: AnyAnswer = NumberAnswer()

    @property
    def sampling(self) -> Sampling:
        """How to draw: with confidences."""
        return super().sampling.model_copy(update={"top_logprobs": self.top_logprobs})

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """`n` fresh candidates with their confidence."""
        self.answer.check()
        drawn = self.draws(shape, plan)
        return replace(drawn, scored_by=drawn.scored_by | {CONFIDENCE})

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The draws: the voters, those of the winning answer first, then the others."""
        drawn = await ctx.sample(query, self.n, self.sampling, engine=self.engine)
        judged = with_confidence(await ctx.answer(drawn, self.answer), self.measure, self.window)
        voters = most_confident(judged, self.keep)
        voting = {each.index for each in voters}
        others = [each for each in judged if each.index not in voting]
        return vote(voters, CONFIDENCE, weighted=True) + ranked(others, CONFIDENCE)
