"""Confidence voting: only the attempts that the model wrote most surely vote, each by how sure it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers.trace_confidence import Measure
from .confidence import CONFIDENCE, most_confident, with_confidence
from .confident_drawing import ConfidentDrawing, Share
from .drawing import Draws, FormedDrawing


class ConfidenceVote(ConfidentDrawing, FormedDrawing):
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
        keep: the share of candidates that votes; the paper keeps 0.1 or 0.9.
    """

    kind: Literal["confidence_vote"] = "confidence_vote"
    n: Draws = 8
    measure: Measure = "tail"
    keep: Share = 0.9

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
        return self.chosen(voters, others)
