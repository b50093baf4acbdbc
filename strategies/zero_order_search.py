"""Zero-order search over noises: from neighbour to neighbour, as far as the verifier likes them better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from .denoising import noise
from .drawing import Draws
from .neighbours import neighbours
from .ranking import rank_key, ranked
from .whole_images import WholeImages, noise_of


class ZeroOrderSearch(WholeImages):
    """Make images from `n` neighbours of a noise, go on from the best noise, and so on for some `rounds`.

    The best noise so far is the pivot. It moves to a neighbour whose image is better, never to one as good. All images
    are returned, best first.

    Family: noise search
    When it pays: good noises lie near one another, so that some 30 images do what random search needs several times as
        many for. `tau` decides: with little room in it the search stays where it began, with much it is random search.
        Noises of few dimensions want it smaller than the default.
    Cost: ``steps * (1 + n * rounds)`` evaluations, ``1 + n * rounds`` judgements, and `final_steps` evaluations and
        one judgement more where they differ from `steps`; depth ``2 * (rounds + 1)``, or 2 more.
    Source: Ma et al. 2025, arXiv 2501.09732, section 3.1, zero-order search; `restart_patience` after a proposal of its
        first author.
    Departs: the pivot is judged once, not once a round. A search that is stuck begins anew from the best of `n` fresh
        noises, in a round that counts like any other, and the best image of all is kept.

    Args:
        n: neighbours of a round.
        rounds: of neighbours.
        tau: the cosine between a noise and its neighbours, above -1 and below 1.
        restart_patience: rounds without a better image after which the search begins anew; None for never.
    """

    kind: Literal["zero_order_search"] = "zero_order_search"
    n: Draws = 4
    rounds: Annotated[int, Field(ge=1, le=4096)] = 8
    tau: Annotated[float, Field(gt=-1, lt=1)] = 0.95
    restart_patience: Annotated[int, Field(ge=1, le=4096)] | None = None

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The first image and `n` a round, judged."""
        self.check_first(shape, plan)
        first = self.plan_whole(plan, 1, self.verifier, together=False)
        with plan.rounds(self.rounds):
            self.plan_whole(plan, self.n * self.rounds, self.verifier, together=False)
        return self.plan_final(plan, replace(first, most=1 + self.n * self.rounds))

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """All images, best first."""
        made = await self.whole(query, ctx, self.noises(query, ctx, 1), self.verifier)
        pivot, idle = self._best(made), 0
        for number in range(1, self.rounds + 1):
            if ctx.is_stopped:
                break
            if idle == self.restart_patience:
                pivot, idle = None, 0
            found = await self.whole(query, ctx, self._noises(query, ctx, pivot, number), self.verifier)
            best = self._best(found if pivot is None else [pivot, *found])
            pivot, idle = best, 0 if best is not pivot else idle + 1
            made += found
        return await self.final(query, ctx, ranked(made, self.verifier.name))

    def _noises(self, query: Query, ctx: Context, pivot: Candidate | None, number: int) -> list[Candidate]:
        """The noises of a round: around the pivot, or fresh where there is none."""
        drawn = ctx.noise(query, self.n, number, engine=self.engine)
        around = noise_of(pivot).latent if pivot else None
        if around is not None:
            drawn = neighbours(around.array, drawn, self.tau)
        return [noise(values, i, ctx) for i, values in enumerate(drawn)]

    def _best(self, images: Sequence[Candidate]) -> Candidate | None:
        """The best, ties to the earlier; None of none."""
        return min(images, key=lambda image: rank_key(image, self.verifier.name), default=None)
