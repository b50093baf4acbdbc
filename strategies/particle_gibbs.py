"""Particle Gibbs: particle filtering again and again, each time around a path of the time before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from .conditional_filter import Filtered, filtered
from .cut import cut
from .level_search import Domain
from .sequential_monte_carlo import WEIGHT, SequentialMonteCarlo, weighed

Place = tuple[str, int]


class ParticleGibbs(SequentialMonteCarlo):
    """Run particle filters in turn, each conditional on a path of the one before.

    The first is a plain filter. From each a path is drawn by weight; the next has ``n - 1`` free particles beside that
    path, which is never lost and may be copied from any of its steps. With ``incremental`` weights the drawn paths
    follow, in the long run, the model times the potential of the whole answer, for any `n` from 2 on; ``reset`` weights
    are those of the paper on language models. All paths come back once, with the mean of their parts in the weight of
    each filter.

    Family: stepwise search
    When it pays: the budget allows several filters, but not one with all their particles at once; a good path is kept
        while others are tried. Waiting grows with each sweep: one larger filter is faster.
    Cost: at most `sweeps` times `n` steps and judgements a level; depth ``2 + lookahead`` a level of each sweep.
    Source: Andrieu, Doucet and Holenstein 2010, "Particle Markov chain Monte Carlo methods"; on language models Puri et
        al. 2025, arXiv 2502.01618.
    Departs: the answer is chosen among the paths of all sweeps, not drawn from the last.

    Args:
        n: particles of a filter, the retained one among them.
        sweeps: filters, one after the other.
        select: whether the heaviest path comes first, or the one drawn last; where votes choose, neither.
    """

    kind: Literal["particle_gibbs"] = "particle_gibbs"
    sweeps: Annotated[int, Field(ge=1, le=1000)] = 4
    select: Literal["argmax", "sample"] = "argmax"

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` paths of the first filter, judged and weighed, and one less of each other."""
        found = super().infer(shape, plan)
        with plan.maybe():
            for _ in range(1, self.sweeps):
                super().infer(shape, plan)
        return replace(found, most=self.n + (self.sweeps - 1) * (self.n - 1))

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """Every path, those that were cut after those that ended."""
        steps, path = self.steps(query, ctx), list[Candidate]()
        paths, weights, sweeps = dict[Place, Candidate](), defaultdict[Place, float](float), 0
        while sweeps < (self.sweeps if self.n > 1 else 1):
            found = await self._filtered(steps, path, ctx, sweeps)
            is_whole = not (ctx.is_stopped and sweeps)
            for each, share in zip([*found.ended, *cut(found.unfinished, ctx)], found.shares, strict=True):
                paths.setdefault(_place(each), each)
                weights[_place(each)] += share if is_whole else 0.0
            path, sweeps = found.path, sweeps + is_whole
            if ctx.is_stopped:
                break
        self.note_clipped(paths.values(), ctx)
        best = await self.ordered(weighed(paths.values(), [weights[at] / sweeps for at in paths]), WEIGHT, ctx)
        if self.select == "sample" and self.choose == "score" and path:
            best.sort(key=lambda each: _place(each) != _place(path[-1]))
        return best

    async def _filtered(
        self, steps: Domain[Candidate], path: Sequence[Candidate], ctx: Context, sweep: int
    ) -> Filtered[Candidate]:
        return await filtered(steps, path, self, lambda name: ctx.rng(f"sweep {sweep} {name}"))


def _place(path: Candidate) -> Place:
    """What tells a path from others of the same text."""
    return path.origin, path.index
