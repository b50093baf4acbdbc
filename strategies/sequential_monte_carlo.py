"""Sequential Monte Carlo over partial answers: what particles weigh, and how they are resampled."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Literal, Protocol

import numpy as np
from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.errors import VerifierError
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Score
from .allocation import Scheme, resample
from .cut import cut
from .level_search import Found, Level, Node, S
from .particle_weights import Potential, Tempering, effective_size, log_potential, tempered
from .stepwise import Stepwise

WEIGHT = "particle_weight"
"""The name of the score that says what part a particle has of the weight of all."""


class SequentialMonteCarlo(Stepwise):
    """A stepwise search whose paths are particles, weighed by the potential of their score and resampled.

    Candidates carry their part of the final weight as the score ``particle_weight``, by which they are chosen.

    Args:
        weight: what a particle weighs: the current potential alone (``reset``), or its ratio to the parent's, times
            what the parent weighs since it was resampled (``incremental``).
        potential: of a score r: ``odds`` r / (1 - r), ``probability`` r, or ``exponential`` exp(r) for any scale.
        resampling: how whole numbers of copies are drawn; each expectation is the particle's share.
        threshold: resample where the effective number of particles is below this part of those that go on; 1
            resamples at every level, 0 never.
        tempering: how shares are flattened where a few particles have nearly all too early.
    """

    weight: Literal["reset", "incremental"] = "reset"
    potential: Potential = "odds"
    resampling: Scheme = "systematic"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    tempering: Tempering = "none"

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` paths, judged and weighed."""
        found = super().infer(shape, plan)
        return replace(found, scored_by=found.scored_by | {WEIGHT})

    def allocator(self) -> Particles:
        """Copies in proportion to weight."""
        return Particles(self)

    def log_potential(self, node: Node[S]) -> float:
        """That of the score."""
        return log_potential(node.score, self.potential)

    def paths(self, found: Found[Candidate], ctx: Context) -> list[Candidate]:
        """The paths that ended, and those that were cut."""
        return [node.state for node in found.ended] + cut([node.state for node in found.unfinished], ctx)

    def note_clipped(self, particles: Iterable[Candidate], ctx: Context) -> None:
        """Note in the result that scores beyond [0, 1] were taken for 0 or 1, as no probability can be."""
        scores = [each.scores.get(self.verifier.name) for each in particles]
        values = [score.value for score in scores if score is not None and score.value is not None]
        beyond = [value for value in values if not 0 <= value <= 1]
        if beyond and self.potential != "exponential":
            ctx.note(
                VerifierError(
                    f"a score whose potential is {self.potential!r} must be in [0, 1], got {beyond[0]:g} from "
                    f"{self.verifier.name!r}, which is cut to it; take the exponential potential, or map it to a "
                    "probability with the verifier's link"
                )
            )


class Weighing(Protocol):
    """The knobs by which `Particles` weighs and resamples; see `SequentialMonteCarlo`."""

    @property
    def weight(self) -> Literal["reset", "incremental"]: ...

    @property
    def resampling(self) -> Scheme: ...

    @property
    def threshold(self) -> float: ...

    @property
    def tempering(self) -> Tempering: ...

    @property
    def max_steps(self) -> int:
        """Levels; on the last none is resampled."""

    def log_potential(self, node: Node[S]) -> float:
        """The logarithm of the potential of a particle's whole path; minus infinity where it cannot be told."""


class Particles:
    """Weighs particles, and gives each its copies.

    Those that can go on are resampled among themselves. A copy of a particle of weight w and share s of K copies
    weighs ``w / (K s)``, so that the expected weight of everything that comes of it is w, however shares are tempered:
    the mean of the final weights is then an unbiased estimate of the normalising constant (Doucet and Johansen 2009).
    A particle without a share that is kept all the same, as a conditional filter does, goes on weighing nothing.
    """

    def __init__(self, knobs: Weighing) -> None:
        self.knobs = knobs
        self._carried: dict[object, float] = {}

    def log_weight(self, node: Node[S]) -> float:
        """The logarithm of a particle's weight; minus infinity where its score cannot be told."""
        return self._carry(node) + self.knobs.log_potential(node)

    def allocate(self, level: Level[S]) -> list[int]:
        nodes, knobs = level.nodes, self.knobs
        weights = [self.log_weight(node) for node in nodes]
        shares = tempered(weights, knobs.tempering, level.depth / knobs.max_steps)
        is_even = knobs.threshold < 1 and effective_size(shares) >= knobs.threshold * len(nodes)
        if is_even or level.depth >= knobs.max_steps:
            self._carried |= {node: self._carry(node) for node in nodes}
            return [1] * len(nodes)
        counts = self.copies(level, shares)
        for node, share, count in zip(nodes, shares, counts, strict=True):
            if count:
                self._carried[node] = self._carry(node) - math.log(level.room * share) if share else -math.inf
        return counts

    def copies(self, level: Level[S], shares: Sequence[float]) -> list[int]:
        """How many copies each particle gets."""
        return resample(level.room, shares, level.rng, self.knobs.resampling)

    def _carry(self, node: Node[S]) -> float:
        """The logarithm of what a particle weighs beside its potential."""
        return self._carried.get(node.parent, 0.0) if self.knobs.weight == "incremental" else 0.0


def weighed(particles: Iterable[Candidate], shares: Sequence[float]) -> list[Candidate]:
    """Particles with their share as a score."""
    return [each.with_score(WEIGHT, Score(share)) for each, share in zip(particles, shares, strict=True)]


def drawn(shares: Sequence[float], rng: np.random.Generator) -> int:
    """The place of a share, drawn in proportion."""
    return resample(1, shares, rng, "multinomial").index(1)
