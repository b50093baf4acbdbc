"""Early-stopping self-consistency: stop drawing once a whole window of candidates agrees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from ..orchestrator.context import Context
from ..orchestrator.errors import UsageError
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .drawing import Draws, FormedDrawing
from .voting import vote


class EarlyStoppingSelfConsistency(FormedDrawing):
    """Draw windows of candidates until one window is unanimous, `n` candidates at most, and vote.

    A window stops only when it is whole and every candidate of it has the same answer: one without an answer, or one
    that was lost, never agrees. `expected_samples` tells the mean number of draws.

    Family: adaptive stopping
    When it pays: many questions are so easy that a few draws agree; the others get the full vote. Small windows stop
        too soon on a wrong favourite.
    Cost: at most `n` draws; depth ``n / window``, rounded up.
    Source: Li et al. 2024 (ESC), arXiv 2401.10480.
    Departs: the vote is over everything drawn; the authors' code returns the last window's answer.

    Args:
        window: candidates of a window, drawn at once.
        answer: how the answer is read from a candidate.
    """

    kind: Literal["esc"] = "esc"
    n: Draws = 40
    window: Draws = 5
    answer: AnyAnswer = NumberAnswer()

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` fresh candidates."""
        self.answer.check()
        with plan.rounds(-(-self.n // self.window)):
            return self.draws(shape, plan, fewest=min(self.window, self.n))

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The draws, those of the winning answer first."""
        answered: list[Candidate] = []
        for first in range(0, self.n, self.window):
            drawn = await ctx.sample(query, min(self.window, self.n - first), self.sampling, engine=self.engine)
            latest = await ctx.answer(drawn, self.answer)
            answered += latest
            if ctx.is_stopped or self._is_unanimous(latest):
                break
        return vote(answered)

    def _is_unanimous(self, window: Sequence[Candidate]) -> bool:
        answers = {each.answer for each in window}
        return len(window) == self.window and len(answers) == 1 and None not in answers


def expected_samples(shares: Sequence[float], window: int = 5, n: int = 40) -> float:
    """How many candidates early stopping draws on average (Li et al. 2024, the control scheme).

    Window i is drawn where none of the i before it was unanimous: the sum of their sizes times
    ``(1 - sum(p**window))**i``.

    Args:
        shares: how often each answer is given; what they lack to 1 is candidates without an answer.
        window: candidates of a window.
        n: most candidates.

    >>> round(expected_samples((0.6, 0.3, 0.1)), 2), expected_samples((1.0,)), round(expected_samples(()), 2)
    (30.4, 5.0, 40.0)
    """
    if window < 1 or n < 1 or min(shares, default=0.0) < 0 or math.fsum(shares) > 1 + 1e-9:
        raise UsageError(
            f"window and n must be at least 1 and shares probabilities that add up to at most 1, got {window}, {n} and "
            f"{tuple(shares)!r}; divide counts by their sum"
        )
    unanimous = math.fsum(share**window for share in shares)
    return math.fsum(min(window, n - first) * (1 - unanimous) ** (first // window) for first in range(0, n, window))
