"""What strategies that search step by step over denoising states have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query, Usage
from ..orchestrator.verifier import Verifier
from .denoising_steps import DenoisingSteps
from .drawing import Draws
from .level_search import Allocator, Found, search
from .ranking import ranked
from .stochastic_denoising import StochasticDenoising


class StepwiseDenoising(StochasticDenoising):
    """A strategy that makes images in steps, judges what is expected of each on the way, and decides which go on.

    A subclass gives an `allocator`. With `n` = 1 nothing is judged. The budget always keeps room for one state to come
    to its end, so that there is an image, whole, whenever it ends the search.

    Args:
        n: states side by side.
        block: steps between two judgements.
    """

    n: Draws = 8
    block: Annotated[int, Field(ge=1, le=1000)] = 1

    def allocator(self) -> Allocator:
        """Decides who goes on; a new one for each run."""
        raise TypeError(f"{type(self).__name__} must implement allocator")

    @property
    def compares(self) -> bool:
        """Whether scores are compared within a level alone."""
        return True

    @property
    def judge(self) -> Verifier | None:
        """The verifier, where there is anything to decide."""
        return self.verifier if self.n > 1 else None

    @property
    def stops(self) -> tuple[int, ...]:
        """The places in the grid where states are judged; the last place before the end is always one."""
        return tuple(dict.fromkeys((*range(0, self.steps, self.block), self.steps - 1)))

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` images, judged; every level may have `n` states."""
        self.check_first(shape, plan)
        for place in range(self.steps):
            is_stop = place in self.stops
            after = self.steps - 1 - place + self.final_evaluations
            leaving = self.ending(plan, after, self.judge)
            self._count(plan, 1, self.judge if is_stop else None, int(is_stop and self.n > 1), leaving)
        with plan.maybe():
            return self._count(plan, self.final_evaluations, self.judge, 1, Usage())

    def _count(self, plan: Plan, evaluations: int, then: Verifier | None, images: int, leaving: Usage) -> Shape:
        made = plan.denoise(
            self.n,
            evaluations,
            self.flow(),
            self.engine,
            then,
            fewest=1,
            images=images,
            together=self.compares,
            leaving=leaving,
        )
        return replace(made, fewest=0)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The images, best first; where the budget ends the search, the best state goes on to its end."""
        found, states = await self.searched(query, ctx, self.allocator())
        return await self.chosen(found, states, ctx)

    async def searched(
        self, query: Query, ctx: Context, allocator: Allocator
    ) -> tuple[Found[Candidate], DenoisingSteps]:
        """What is found, and the states that it was found among."""
        states = DenoisingSteps(query, ctx, self.way(ctx), self.engine, self.judge)
        found = await search(states, allocator, n=self.n, depth=len(self.stops) + 1, rng=ctx.rng)
        return found, states

    async def chosen(self, found: Found[Candidate], states: DenoisingSteps, ctx: Context) -> list[Candidate]:
        """The images, best first."""
        ended = [node.state for node in found.ended] or await states.saved(found.unfinished)
        return ranked(ended, self.verifier.name)
