"""Feynman-Kac steering: images sampled from a denoiser that is tilted by a reward."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from .allocation import Scheme, softmax
from .level_search import Node, S
from .lineage import lineage
from .particle_weights import Tempering
from .ranking import ranked
from .sequential_monte_carlo import WEIGHT, Particles, drawn, weighed
from .stepwise_denoising import StepwiseDenoising

Steering = Literal["difference", "max", "sum"]


class FeynmanKac(StepwiseDenoising):
    """Sample images from the denoiser tilted by ``exp(scale * r)``, with `n` particles.

    A particle is a denoising state, judged by the data expected of it. Where few particles hold most of the weight,
    all are drawn anew from one another in proportion to it. The allocator is that of `particle_filter` on texts, with
    ``incremental`` weights: in logarithms, never clipped, and kept where nothing is resampled. Whatever the
    `potential`, a path that has come to its image has been weighed by ``exp(scale * r)`` of that image in all. With
    `scale` 0 the particles are independent.

    Images come with their part of the final weight as the score ``particle_weight``. The best reward comes first, not
    the largest weight: since the last resampling that is the largest gain, not the best image.

    Family: stepwise denoising
    When it pays: images are wanted as the reward's exponential has them, not the best one alone: variety is kept. For
        the best one take a large `scale`, or `svdd`, which needs fewer evaluations.
    Cost: ``n * steps`` evaluations and judgements, and ``n * (final_steps - 1)`` evaluations and `n` judgements more;
        depth ``2 * steps + 2``.
    Source: Singhal et al. 2025, arXiv 2501.06848, section 3; `block` is the interval between resamplings.
    Departs: nothing is resampled after the last judgement, since images that are copied tell nothing new; the first
        potential is that of the first reward, and there is no least reward under ``max``.

    Args:
        scale: how much a unit of the reward counts in the logarithm of the weight.
        potential: of the path up to a state: the current reward (``difference``: each step weighs its gain), or the
            sum over the states so far of the largest reward (``max``), or of the sum of rewards (``sum``), up to each.
            The image itself always counts by its reward alone.
        resampling: how whole numbers of copies are drawn; each expectation is the particle's share.
        threshold: resample where the effective number of particles is below this part of them; 1 resamples at every
            judgement, 0 never.
        tempering: how shares are flattened where a few particles have nearly all too early.
        select: whether the image of the best reward comes first, or one drawn by weight.
    """

    kind: Literal["feynman_kac"] = "feynman_kac"
    scale: Annotated[float, Field(ge=0, le=1e6)] = 10.0
    potential: Steering = "difference"
    resampling: Scheme = "systematic"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    tempering: Tempering = "none"
    select: Literal["argmax", "sample"] = "argmax"

    @property
    def weight(self) -> Literal["incremental"]:
        """Weights are ratios of potentials."""
        return "incremental"

    @property
    def compares(self) -> bool:
        """Rewards of different levels are set against each other."""
        return False

    @property
    def max_steps(self) -> int:
        """Judgements; after the last nothing is resampled."""
        return len(self.stops)

    def allocator(self) -> Particles:
        """Copies in proportion to weight."""
        return Particles(self)

    def log_potential(self, node: Node[S]) -> float:
        """The logarithm of the product of the potentials on the way to a state."""
        if node.score is None:
            return -math.inf
        if node.is_terminal:
            return self.scale * node.score
        rewards = [each.score for each in lineage(node) if each.score is not None]
        return self.scale * steered(rewards[::-1], self.potential)

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` images, judged and weighed."""
        found = super().infer(shape, plan)
        return replace(found, scored_by=found.scored_by | {WEIGHT})

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The images; where the budget ends the search, that of the best particle."""
        particles = self.allocator()
        found, states = await self.searched(query, ctx, particles)
        if not found.ended:
            saved = await self.chosen(found, states, ctx)
            return weighed(saved, [1.0] * len(saved))
        shares = softmax([particles.log_weight(node) for node in found.ended])
        best = ranked(weighed([node.state for node in found.ended], shares), self.verifier.name)
        if self.select == "sample":
            weights = [each.scores[WEIGHT].value or 0.0 for each in best]
            best.insert(0, best.pop(drawn(weights, ctx.rng("select"))))
        return best


def steered(rewards: Sequence[float], potential: Steering) -> float:
    """The logarithm of the product of the potentials over a path, at scale 1.

    >>> [steered([1.0, 3.0, 2.0], potential) for potential in ("difference", "max", "sum")]
    [2.0, 7.0, 11.0]

    Args:
        rewards: along the path, the latest last; at least one.
        potential: see `FeynmanKac`.
    """
    if potential == "difference":
        return rewards[-1]
    so_far: Iterator[float] = accumulate(rewards, max) if potential == "max" else accumulate(rewards)
    return math.fsum(so_far)
