"""What strategies that make whole images and choose among them have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import model_validator

from ..orchestrator.context import Context
from ..orchestrator.denoising import Solver
from ..orchestrator.passing import Denoise, Move
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query, Usage
from ..orchestrator.verifier import Verifier
from .denoising import DenoisingStrategy, Steps, times


class WholeImages(DenoisingStrategy):
    """A strategy that searches over noises: an image is a function of the noise that it is made from.

    Args:
        solver: how an image is made of a noise; ``own`` goes the denoiser's own way, in its own times.
        final_steps: evaluations of the image that is returned first, which is made anew of the best noise; None where
            the one that was judged is good enough.
    """

    solver: Solver = "euler"
    final_steps: Steps | None = None

    @model_validator(mode="after")
    def _goes_one_way(self) -> Self:
        if self.solver == "own" and (self.interpolant, self.grid) != ("own", "uniform"):
            raise ValueError(
                "interpolant must be 'own' and grid 'uniform' where solver is 'own', which goes its own way, got "
                f"{self.interpolant!r} and {self.grid!r}; drop them, or use solver 'euler'"
            )
        return self

    def plan_whole(
        self, plan: Plan, n: int, then: Verifier | None, *, fewest: int | None = None, together: bool = True
    ) -> Shape:
        """Count the making of `n` images, to be judged by `then`, `together` or each by itself."""
        return plan.denoise(
            n,
            self._evaluations(self.steps),
            self.flow(self.solver),
            self.engine,
            then,
            fewest=fewest,
            is_stepwise=self.solver != "own",
            together=together,
            leaving=self.ending(plan, self._evaluations(self.final_steps), self.verifier) if self.redraws else Usage(),
        )

    def plan_final(self, plan: Plan, made: Shape) -> Shape:
        """Count the making of the image that is returned first."""
        if self.redraws:
            with plan.maybe():
                evaluations, stepwise = self._evaluations(self.final_steps), self.solver != "own"
                plan.denoise(1, evaluations, self.flow(self.solver), self.engine, self.verifier, is_stepwise=stepwise)
        return made

    async def whole(
        self, query: Query, ctx: Context, noises: Sequence[Candidate], then: Verifier | None
    ) -> list[Candidate]:
        """The images of noises, in their order, judged by `then`; what is lost is left out.

        The budget keeps room for the image that is made anew of the best.
        """
        leaving = Usage()
        if self.redraws:
            evaluations = self._evaluations(self.final_steps)
            leaving = ctx.ending(self.flow(self.solver), evaluations, self.verifier, self.engine)
        return await self._made(query, ctx, noises, then, self.steps, leaving)

    async def final(self, query: Query, ctx: Context, ranked: list[Candidate]) -> list[Candidate]:
        """Images, the best of them first, made anew where it is to be made with more evaluations."""
        if not self.redraws or not ranked:
            return ranked
        best = [noise_of(ranked[0])]
        return await self._made(query, ctx, best, self.verifier, self.final_steps, Usage()) + ranked

    @property
    def redraws(self) -> bool:
        """Whether the image that is returned first is made anew."""
        return self.final_steps not in (None, self.steps)

    async def _made(
        self,
        query: Query,
        ctx: Context,
        noises: Sequence[Candidate],
        then: Verifier | None,
        steps: int | None,
        leaving: Usage,
    ) -> list[Candidate]:
        moves = [Move(each.latent, times(steps or self.steps, self.grid), each) for each in noises if each.latent]
        ask = Denoise(query, self.flow(self.solver), moves, engine=self.engine, then=then, leaving=leaving)
        made = [each for each in await ctx.denoise(ask) if each is not None]
        return await ctx.score(query, made, then) if then else made

    def _evaluations(self, steps: int | None) -> int:
        return self.flow(self.solver).evaluations(steps or self.steps)


def noise_of(candidate: Candidate) -> Candidate:
    """What an image was made from: the first of its path."""
    return next(candidate.path())
