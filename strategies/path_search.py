"""Search over paths: several images in the making go back and forth between noise and data, and the best go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query, Usage
from ..orchestrator.verifier import Verifier
from .beam_search import Beam
from .denoising import DenoisingStrategy, Steps
from .drawing import Draws
from .level_search import search
from .path_states import Excursions, PathStates
from .ranking import ranked

Time = Annotated[float, Field(gt=0, lt=1)]
MOST_ROUNDS = 1000


class PathSearch(DenoisingStrategy):
    """Take `n` paths from noise to a start time, and in each round go back with fresh noise and on to a cleaner time.

    In a round each path gets `children`: noise takes it `forward` in time and the flow `backward`, so that it gains the
    difference. The best `n` of all children go on, by the data expected where they stand; in the last round, which ends
    at time 0, by their images. It is a beam search over denoising states. The budget always keeps room for the best
    path to go straight on to its end, so that there is an image, whole, whenever it ends the search.

    Family: noise search
    When it pays: the verifier can tell early what will come of a state, as for `svdd`, and the denoiser is best sampled
        without noise on the way. Begin near noise: what `start` and `forward` leave of the first noise is never
        searched.
    Cost: with R rounds, ``start / (backward - forward)`` rounded up, and about ``(1 - start) * steps`` evaluations to
        the start, ``n * to the start + n * children * (R * (backward_steps + 1) - 1)`` evaluations and ``n * children *
        R`` judgements; depth ``1 + 2 * R``.
    Source: Ma et al. 2025, arXiv 2501.09732, section 3.1, search over paths; with the kernel and the order of Kim et
        al. 2025, arXiv 2503.19385, in their baseline of that name.
    Departs: rounds go on to time 0, so that no image is returned half-denoised, and none is judged by what was expected
        of it. What is expected at a stop costs one evaluation, which only the budget's end can use again: the next
        round starts elsewhere.

    Args:
        n: paths.
        children: ways on that each path is given in a round.
        start: the time where the first round begins, as a part of 1.
        forward: how far a round goes back to noise.
        backward: how far it then goes on to data; more than `forward`.
        backward_steps: evaluations on that way.
    """

    kind: Literal["path_search"] = "path_search"
    n: Draws = 2
    children: Draws = 4
    start: Time = 0.9
    forward: Time = 0.08
    backward: Time = 0.3
    backward_steps: Steps = 2

    @model_validator(mode="after")
    def _goes_on(self) -> Self:
        if self.backward <= self.forward:
            raise ValueError(
                f"backward must be more than forward, or the search never ends, got {self.backward} and {self.forward};"
                " lengthen the one or shorten the other"
            )
        if self.start + self.forward >= 1.0:
            raise ValueError(
                "start and forward must be less than 1 together, or noise forgets all that was found, got "
                f"{self.start} and {self.forward}; shorten one, or use random_noise_search"
            )
        if self.rounds > MOST_ROUNDS:
            raise ValueError(f"there must be at most {MOST_ROUNDS} rounds, got {self.rounds}; lengthen backward")
        return self

    @property
    def rounds(self) -> int:
        """How many rounds take a path from `start` to time 0."""
        return max(1, math.ceil(self.start / (self.backward - self.forward) - 1e-9))

    @property
    def judge(self) -> Verifier | None:
        """The verifier, where there is anything to decide."""
        return self.verifier if self.n * self.children > 1 else None

    @property
    def excursions(self) -> Excursions:
        """The times of the rounds."""
        gain = self.backward - self.forward
        stops = tuple(self.start - number * gain for number in range(self.rounds))
        return Excursions(
            (*stops, 0.0), self.forward, self.steps, self.backward_steps, self.grid, self.judge is not None
        )

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """`n` images, judged."""
        self.check_first(shape, plan)
        times = self.excursions
        made = self._count(plan, self.n, len(times.first), times, 0)
        for stop in range(1, self.rounds + 1):
            made = self._count(plan, self.n * self.children, self.backward_steps + times.looks_at(stop), times, stop)
        return replace(made, most=self.n)

    def _count(self, plan: Plan, n: int, evaluations: int, times: Excursions, stop: int) -> Shape:
        is_end = stop == self.rounds
        return plan.denoise(
            n,
            evaluations,
            self.flow(),
            self.engine,
            self.judge if stop else None,
            images=int(times.looks_at(stop) or is_end),
            together=True,
            leaving=Usage() if is_end else self.ending(plan, times.evaluations_after(stop), self.judge),
        )

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The images of the paths that were left, best first; of the best one where the budget ends the search."""
        states = PathStates(query, ctx, self.excursions, self.flow(), engine=self.engine, verifier=self.judge)
        width, beam = self.n * self.children, Beam(self.children, unique=False)
        found = await search(states, beam, n=width, depth=self.rounds + 1, rng=ctx.rng, first=self.n)
        images = [node.state for node in found.ended] or await states.saved(found.unfinished)
        return ranked(images, self.verifier.name)[: self.n]
