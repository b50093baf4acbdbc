"""Adaptive-Consistency: stop drawing once the leading answer is sure to stay ahead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .drawing import Draws, FormedDrawing
from .leader import beta_confidence, dirichlet_confidence
from .voting import vote

CRITERIA = {"beta": beta_confidence, "dirichlet": dirichlet_confidence}


class AdaptiveConsistency(FormedDrawing):
    """Draw until the most frequent answer is likely enough to stay so, `n` at most, and vote.

    Candidates without an answer are no votes: they neither agree nor stop anything. Launched draws vote in the order of
    launch, not of arrival, so that the vote is not one of short candidates; what is in flight at the stop is cancelled
    and charged in full.

    Family: adaptive stopping
    When it pays: most questions are easy: they stop after a few draws and leave the budget to the hard ones, at nearly
        the accuracy of a full vote. Where every question is hard it is a vote with more rounds.
    Cost: at most `n` draws; depth ``n / round``, rounded up, or 1 where all are launched at once.
    Source: Aggarwal et al. 2023, arXiv 2305.11860, the Beta and the Dirichlet stopping criterion.
    Departs: the paper draws one at a time; here a round is drawn at once, or everything is launched at once.

    Args:
        threshold: the probability of staying ahead that is enough.
        criterion: what the leader must stay ahead of: ``beta`` the second answer alone (the paper's default),
            ``dirichlet`` all of them.
        launch: ``rounds`` draws `round` at a time and cancels nothing; ``all`` sends all `n` at once.
        round: candidates of a round, where `launch` is ``rounds``. Four that agree reach the default threshold.
        answer: how the answer is read from a candidate.
    """

    kind: Literal["adaptive_consistency"] = "adaptive_consistency"
    n: Draws = 40
    threshold: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    criterion: Literal["beta", "dirichlet"] = "beta"
    launch: Literal["rounds", "all"] = "rounds"
    round: Draws = 4
    answer: AnyAnswer = NumberAnswer()

    @property
    def is_speculative(self) -> bool:
        """Whether draws are sent that may be dropped."""
        return self.launch == "all"

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` fresh candidates."""
        self.answer.check()
        with plan.rounds(-(-self.n // self.round) if self.launch == "rounds" else 1):
            return self.draws(shape, plan, fewest=self._fewest())

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The draws that were counted, those of the winning answer first."""
        drawn = await (self._in_rounds(query, ctx) if self.launch == "rounds" else self._all_at_once(query, ctx))
        return vote(drawn)

    async def _in_rounds(self, query: Query, ctx: Context) -> list[Candidate]:
        counted: list[Candidate] = []
        for first in range(0, self.n, self.round):
            drawn = await ctx.sample(query, min(self.round, self.n - first), self.sampling, engine=self.engine)
            counted += await ctx.answer(drawn, self.answer)
            if ctx.is_stopped or self._is_sure(counted):
                break
        return counted

    async def _all_at_once(self, query: Query, ctx: Context) -> list[Candidate]:
        counted: list[Candidate] = []
        launched = ctx.launch(query, self.n, self.sampling, in_flight=self.n, engine=self.engine)
        async with aclosing(launched) as draws:
            async for drawn in draws:
                counted += await ctx.answer([drawn], self.answer)
                if self._is_sure(counted):
                    break
        return counted

    def _is_sure(self, counted: Sequence[Candidate]) -> bool:
        votes = Counter(each.answer for each in counted if each.answer is not None)
        return bool(votes) and CRITERIA[self.criterion](tuple(votes.values())) >= self.threshold

    def _fewest(self) -> int:
        """Draws after which a unanimous vote stops, the fewest there can be."""
        step = self.round if self.launch == "rounds" else 1
        votes = range(step, self.n, step)
        return next((count for count in votes if beta_confidence((count,)) >= self.threshold), self.n)
