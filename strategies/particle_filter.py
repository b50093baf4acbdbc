"""Particle filtering: answers sampled from the model tilted by a process score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..orchestrator.context import Context
from ..orchestrator.types import Candidate, Query
from .allocation import softmax
from .level_search import search
from .sequential_monte_carlo import WEIGHT, SequentialMonteCarlo, drawn, weighed


class ParticleFilter(SequentialMonteCarlo):
    """Sample answers from the model tilted by a process score, with `n` particles.

    A particle is a partial answer. At each level all go on by a step and are weighed; where few hold most of the
    weight, those that can go on are drawn anew from one another in proportion to it. ``reset`` weights are the paper's;
    ``incremental`` ones target the model times the potential of the whole answer.

    Family: stepwise search
    When it pays: the process reward is noisy: resampling keeps unlikely paths alive that a beam would cut for good.
        With a dependable one a greedier search needs fewer particles.
    Cost: at most `n` steps and `n` judgements a level; depth ``2 + lookahead`` a level.
    Source: Puri et al. 2025, arXiv 2502.01618, algorithm 1.
    Departs: particles that have ended keep their weight and are not copied, equal weights are left alone (`threshold`),
        and nothing is resampled after the last step, which can only lose what was paid for.

    Args:
        n: particles.
        select: whether the heaviest particle comes first, or one drawn by weight; where votes choose, neither.
    """

    kind: Literal["particle_filter"] = "particle_filter"
    select: Literal["argmax", "sample"] = "argmax"

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The particles, those that were cut after those that ended."""
        particles = self.allocator()
        found = await search(self.steps(query, ctx), particles, n=self.n, depth=self.max_steps, rng=ctx.rng)
        shares = softmax([particles.log_weight(node) for node in (*found.ended, *found.unfinished)])
        paths = self.paths(found, ctx)
        self.note_clipped(paths, ctx)
        best = await self.ordered(weighed(paths, shares), WEIGHT, ctx)
        if self.select == "sample" and self.choose == "score" and best:
            whole = [each for each in best if each.finish.is_complete] or best
            weights = [each.scores[WEIGHT].value or 0.0 for each in whole]
            best.insert(0, best.pop(drawn(weights, ctx.rng("select"))))
        return best
