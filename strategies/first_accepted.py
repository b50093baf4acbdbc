"""First accepted: draw until a verifier accepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.shape import Plan, Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyVerifier
from .drawing import Drawing, Draws
from .ranking import ranked


class FirstAccepted(Drawing):
    """Draw until the verifier accepts a candidate, `n` times at most.

    A score of at least `threshold` accepts; what cannot be judged is not accepted. The accepted candidate comes first;
    where none was, the best scored does. A single draw is not judged at all.

    Family: adaptive stopping
    When it pays: the verifier is nearly free of error (tests, a proof checker): the cost of Best-of-N falls to that of
        the first success. A verifier that errs bounds what can be reached, however many draws there are: see
        `ResamplingLaw`.
    Cost: at most `n` draws and `n` judgements; depth 2 for each round.
    Source: Stroebl, Kapoor and Narayanan 2024, arXiv 2411.17501, resampling with an imperfect verifier.
    Departs: a round may draw several at once.

    Args:
        verifier: judges each candidate.
        threshold: the least score that accepts.
        round: candidates drawn at once; those of a round are all paid, also where the first of them is accepted.
    """

    kind: Literal["first_accepted"] = "first_accepted"
    n: Draws = 8
    verifier: AnyVerifier
    threshold: Annotated[float, Field(allow_inf_nan=False)] = 0.5
    round: Draws = 1

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from and those the verifier asks."""
        return (self.engine, *self.verifier.engine_names())

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` fresh candidates, judged."""
        return self.draws(shape, plan, self.verifier if self.n > 1 else None, fewest=min(self.round, self.n))

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The draws, the accepted one first."""
        if self.n == 1:
            return await ctx.sample(query, 1, self.sampling, engine=self.engine)
        judged: list[Candidate] = []
        for first in range(0, self.n, self.round):
            count = min(self.round, self.n - first)
            drawn = await ctx.sample(query, count, self.sampling, engine=self.engine, then=self.verifier)
            latest = await ctx.score(query, drawn, self.verifier)
            judged += latest
            if ctx.is_stopped or any(map(self._accepts, latest)):
                break
        return ranked(judged, self.verifier.name)

    def _accepts(self, candidate: Candidate) -> bool:
        score = candidate.scores.get(self.verifier.name)
        return score is not None and score.value is not None and score.value >= self.threshold
