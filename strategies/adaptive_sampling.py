"""Adaptive sampling: draw in rounds until one attempt is good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.engine import Sampling
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyVerifier, SelfEvaluation
from .drawing import Draws, FormedDrawing
from .ranking import ranked

Temperature = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]


class AdaptiveSampling(FormedDrawing):
    """Draw in rounds until an attempt is good enough; the best one answers.

    What a round draws does not depend on the threshold, so that with the same seed a lower one draws a part of what a
    higher one does: one attempt where every score reaches it, all `n` where none can. An attempt that could not be
    scored never reaches it. A single draw is not judged.

    Family: self-evaluation
    When it pays: the score of an attempt is calibrated, so that one threshold suits all questions, and questions differ
        in difficulty. An overconfident score stops at the first attempt.
    Cost: 1 to `n` draws and as many judgements; depth 2 a round.
    Source: Manvi, Singh and Ermon 2024, arXiv 2410.02725, adaptive sampling.
    Departs: the paper scores with the generator's own evaluation, here any verifier may; its schedule of temperatures
        is not published, here round k, from 0, draws at ``max(coolest, temperature - cooling * k)``.

    Args:
        n: draws at most.
        verifier: judges each attempt.
        threshold: the score that ends the rounds.
        rounds: ``doubling`` draws 1, 1, 2, 4, 8, ...; ``single`` one at a time.
        cooling: how much colder each round is than the last.
        coolest: the temperature at which cooling ends.
    """

    kind: Literal["adaptive_sampling"] = "adaptive_sampling"
    n: Draws = 16
    verifier: AnyVerifier = SelfEvaluation()
    threshold: Annotated[float, Field(allow_inf_nan=False)] = 0.9
    rounds: Literal["doubling", "single"] = "doubling"
    cooling: Temperature = 0.1
    coolest: Temperature = 0.1

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from and those the verifier asks."""
        return (self.engine, *self.verifier.engine_names())

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """Up to `n` fresh candidates, judged; only the first round is certain."""
        self.check_first(shape, plan)
        (size, sampling), *later = self.schedule()
        first = plan.sample(size, sampling, self.engine, self.verifier if self.n > 1 else None)
        with plan.maybe():
            for size, sampling in later:
                plan.sample(size, sampling, self.engine, self.verifier)
        return replace(first, most=self.n)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The draws, best first."""
        if self.n == 1:
            return await ctx.sample(query, 1, self.sampling, engine=self.engine)
        judged: list[Candidate] = []
        for size, sampling in self.schedule():
            drawn = await ctx.sample(query, size, sampling, engine=self.engine, then=self.verifier)
            judged += await ctx.score(query, drawn, self.verifier)
            if ctx.is_stopped or any(map(self._is_enough, judged)):
                break
        return ranked(judged, self.verifier.name)

    def schedule(self) -> list[tuple[int, Sampling]]:
        """How many each round draws, and how.

        >>> [(size, sampling.temperature) for size, sampling in AdaptiveSampling(n=10).schedule()]
        [(1, 1.0), (1, 0.9), (2, 0.8), (4, 0.7), (2, 0.6)]
        """
        made: list[tuple[int, Sampling]] = []
        drawn = 0
        while drawn < self.n:
            size = min(max(1, drawn) if self.rounds == "doubling" else 1, self.n - drawn)
            made.append((size, self.sampling.model_copy(update={"temperature": self._temperature(len(made))})))
            drawn += size
        return made

    def _temperature(self, k: int) -> float:
        """Of round `k`; it never rises, also where it begins below the coolest."""
        return max(min(self.coolest, self.temperature), round(self.temperature - self.cooling * k, 9))

    def _is_enough(self, candidate: Candidate) -> bool:
        value = candidate.scores[self.verifier.name].value
        return value is not None and value >= self.threshold
