"""States of a search over paths: fresh noise takes each back to a noisier time, and the flow on to a cleaner one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..orchestrator.context import Context
from ..orchestrator.denoising import Flow
from ..orchestrator.images import Latent
from ..orchestrator.passing import Denoise, Move
from ..orchestrator.types import Candidate, Query, Usage
from ..orchestrator.verifier import Verifier
from .denoising import Grid, between
from .denoising_states import DenoisingStates
from .renoising import renoised


@dataclass(frozen=True, slots=True)
class Excursions:
    """The times of a search over paths.

    Args:
        stops: where paths stand: where the first round begins, and where each round ends; the last is 0.
        forward: how far back to noise each round goes first.
        steps: evaluations on the whole way from noise to an image.
        backward_steps: evaluations of a round's way down.
        grid: how they are spaced.
        is_judged: whether paths are judged where they stop.
    """

    stops: tuple[float, ...]
    forward: float
    steps: int
    backward_steps: int
    grid: Grid
    is_judged: bool

    @property
    def first(self) -> tuple[float, ...]:
        """The times from noise to the first stop."""
        return between(1.0, self.stops[0], max(1, round(self.steps * (1.0 - self.stops[0]))), self.grid)

    def excursion(self, number: int) -> tuple[float, tuple[float, ...]]:
        """The time that a round, counted from 0, goes back to, and those down from there to its stop."""
        top = self.stops[number] + self.forward
        return top, between(top, self.stops[number + 1], self.backward_steps, self.grid)

    def rest(self, stop: int) -> tuple[float, ...]:
        """The times from a stop straight to the end; none from the last."""
        t = self.stops[stop]
        return between(t, 0.0, max(1, round(self.steps * t)), self.grid) if t else ()

    def looks_at(self, stop: int) -> bool:
        """Whether the data expected at a stop is looked at; at the last the image itself is there."""
        return self.is_judged and 0 < stop < len(self.stops) - 1

    def evaluations_after(self, stop: int) -> int:
        """How many it takes from a stop to the end; where it was looked at, the first of them is made already."""
        return len(self.rest(stop)) - self.looks_at(stop)


class PathStates(DenoisingStates):
    """The paths of a search: a child of a path is what becomes of it by one excursion to noise and back.

    Args:
        query: what is asked.
        ctx: the door to effects.
        excursions: their times.
        flow: how latents flow, and in which interpolant.
        engine: the denoiser.
        verifier: judges the data expected at each stop after the first; None leaves paths unjudged.
    """

    def __init__(
        self,
        query: Query,
        ctx: Context,
        excursions: Excursions,
        flow: Flow,
        *,
        engine: str,
        verifier: Verifier | None,
    ) -> None:
        super().__init__(query, ctx, engine, verifier)
        self._excursions, self._flow = excursions, flow

    async def extend(self, parents: Sequence[tuple[Candidate | None, int]]) -> list[list[Candidate]]:
        """Children at the next stop; the first stop is reached straight from noise."""
        if parents[0][0] is None:
            noise = self._ctx.noise(self._query, parents[0][1], engine=self._engine)
            moves, stop = [Move(Latent.of(values, 1.0), self._excursions.first) for values in noise], 0
        else:
            heads = [parent for parent, count in parents for _ in range(count) if parent is not None]
            stop = self._stop(heads[0]) + 1
            moves = self._noised(heads, stop - 1)
        children = iter(await self._made(moves, stop))
        return [[child for _ in range(count) if (child := next(children))] for _, count in parents]

    async def ended(self, states: Sequence[Candidate | None]) -> list[Candidate | None]:
        """The image that each state becomes with no more noise, from wherever it stands."""
        standing = [(state, state.latent) for state in states if state is not None and state.latent is not None]
        moves = [Move(latent, self._excursions.rest(self._stop(state)), state) for state, latent in standing]
        return await self._ctx.denoise(
            Denoise(self._query, self._flow, moves, engine=self._engine, then=self._verifier)
        )

    async def score(self, states: Sequence[Candidate]) -> list[tuple[Candidate, float | None]]:
        """Each state, judged; at the first stop nothing is expected yet."""
        if any(state.image is None for state in states):
            return [(state, None) for state in states]
        return await super().score(states)

    def _stop(self, state: Candidate) -> int:
        assert state.latent is not None
        return self._excursions.stops.index(state.latent.t)

    def _noised(self, heads: Sequence[Candidate], number: int) -> list[Move]:
        """Each state at a round's noisiest time."""
        top, down = self._excursions.excursion(number)
        states = [head.latent for head in heads if head.latent is not None]
        path = self._flow.interpolant or self._ctx.denoising(self._engine).interpolant
        return [
            Move(renoised(path, state, top, z), down, head)
            for state, z, head in zip(states, self.noise(states), heads, strict=True)
        ]

    async def _made(self, moves: Sequence[Move], stop: int) -> list[Candidate | None]:
        """What stands at a stop, leaving enough in the budget for one of them to come to its end."""
        looks = self._excursions.looks_at(stop)
        ask = Denoise(
            self._query,
            self._flow,
            moves,
            looks=looks,
            decodes=looks or self._excursions.stops[stop] == 0.0,
            engine=self._engine,
            then=self._verifier if stop > 0 else None,
            leaving=self._leaving(stop),
        )
        return await self._ctx.denoise(ask)

    def _leaving(self, stop: int) -> Usage:
        if self._excursions.stops[stop] == 0.0:
            return Usage()
        return self._ctx.ending(self._flow, self._excursions.evaluations_after(stop), self._verifier, self._engine)
