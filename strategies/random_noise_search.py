"""Random search over noises: the best of N images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from .drawing import Draws
from .ranking import ranked
from .whole_images import WholeImages


class RandomNoiseSearch(WholeImages):
    """Make an image from each of `n` noises and put first the one the verifier likes best.

    Family: noise search
    When it pays: the denoiser makes what is wanted now and then. It is global, so it scales with `n` without end, and
        misleads the verifier the soonest. Searches that choose on the way need fewer evaluations.
    Cost: ``n * steps`` evaluations and `n` judgements, and `final_steps` evaluations and one judgement more where they
        differ from `steps`; depth 2, or 4.
    Source: Ma et al. 2025, arXiv 2501.09732, section 3.1.
    Departs: images whose score is missing come last.

    Args:
        n: noises.
    """

    kind: Literal["random_noise_search"] = "random_noise_search"
    n: Draws = 8

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """`n` images, judged."""
        self.check_first(shape, plan)
        made = self.plan_whole(plan, self.n, self.verifier if self.n > 1 else None)
        return self.plan_final(plan, made)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The images, best first."""
        noises = self.noises(query, ctx, self.n)
        made = await self.whole(query, ctx, noises, self.verifier if self.n > 1 else None)
        return await self.final(query, ctx, ranked(made, self.verifier.name))
