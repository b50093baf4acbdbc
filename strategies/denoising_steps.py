"""Denoising states of a stepwise search: a half-denoised image goes on by a random step towards data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..orchestrator.context import Context
from ..orchestrator.denoising import Flow
from ..orchestrator.images import Array, slopes, stacked, unstacked
from ..orchestrator.interpolants import Interpolant
from ..orchestrator.passing import Denoise, Move, digest_of
from ..orchestrator.types import Candidate, Query
from ..orchestrator.verifier import Verifier
from .denoising_states import DenoisingStates
from .ranking import rank_key
from .sde_step import diffusion_at, sde_steps


@dataclass(frozen=True, slots=True)
class Way:
    """How states go from noise to data.

    Args:
        flow: as a denoiser is told.
        path: the interpolant that states are in.
        times: the grid, from 1 down to 0.
        stops: the places in the grid where states are judged, from 0; after the last comes the end.
        diffusion: how much noise a step adds; see `diffusion_at`.
        final: times from the last stop to 0, with no noise.
    """

    flow: Flow
    path: Interpolant
    times: tuple[float, ...]
    stops: tuple[int, ...]
    diffusion: float
    final: tuple[float, ...]

    def evaluations_after(self, place: int) -> int:
        """How many more it takes from a place in the grid, where the velocity is known, to come to the end."""
        return self.stops[-1] - place + len(self.final) - 1


class DenoisingSteps(DenoisingStates):
    """The states of images that are made in steps; each knows its velocity, so that going on costs nothing more.

    Args:
        query: what is asked.
        ctx: the door to effects.
        way: how states go.
        engine: the denoiser.
        verifier: judges the data expected at each stop; None leaves states unjudged.
    """

    def __init__(self, query: Query, ctx: Context, way: Way, engine: str, verifier: Verifier | None) -> None:
        super().__init__(query, ctx, engine, verifier)
        self._way = way

    async def extend(self, parents: Sequence[tuple[Candidate | None, int]]) -> list[list[Candidate]]:
        """Children at the next stop; one alone for each parent at the last stop, whence there is but one way."""
        heads = [parent for parent, count in parents for _ in range(count)]
        if parents[0][0] is None:
            noise = self._ctx.noise(self._query, len(heads), engine=self._engine)
            ends = await self._moved([Move(latent) for latent in unstacked(noise, 1.0)], 0)
        elif (place := self._place(heads[0])) == self._way.stops[-1]:
            return await self._last([parent for parent, _ in parents if parent is not None])
        else:
            ends = await self._stepped(heads, place)
        children = iter(ends)
        return [[child for _ in range(count) if (child := next(children))] for _, count in parents]

    async def _last(self, states: Sequence[Candidate]) -> list[list[Candidate]]:
        """The image of each state; where the budget does not reach all, the best have theirs."""
        name = self._verifier.name if self._verifier else ""
        order = sorted(range(len(states)), key=lambda i: rank_key(states[i], name))
        made = dict(zip(order, await self.ended([states[i] for i in order]), strict=True))
        return [[end] if (end := made[i]) else [] for i in range(len(states))]

    async def ended(self, states: Sequence[Candidate | None]) -> list[Candidate | None]:
        """The image that each state becomes with no more noise, from wherever it stands."""
        way, moves = self._way, []
        for state in states:
            assert state is not None and state.latent is not None
            rest = way.times[self._place(state) + 1 : way.stops[-1] + 1]
            moves.append(Move(state.latent, (*rest, *way.final), state))
        return await self._ctx.denoise(Denoise(self._query, way.flow, moves, engine=self._engine, then=self._verifier))

    def _place(self, state: Candidate | None) -> int:
        """Where in the grid a state stands."""
        assert state is not None and state.latent is not None
        return self._way.times.index(state.latent.t)

    async def _stepped(self, heads: Sequence[Candidate | None], place: int) -> list[Candidate | None]:
        """Each state at the next stop, by random steps; None for one that is lost."""
        stop = next(stop for stop in self._way.stops if stop > place)
        for at in range(place + 1, stop + 1):
            alive = [head for head in heads if head is not None]
            if not alive:
                break
            noise = self.noise([head.latent for head in alive if head.latent is not None])
            made = iter(await self._moved(self._steps(alive, self._way.times[at], noise), at))
            heads = [head and next(made) for head in heads]
        return list(heads)

    async def proposed(self, state: Candidate, numbers: Sequence[int]) -> list[Candidate | None]:
        """The proposals of some numbers for what comes after a state; None for those that are lost.

        The noise of each follows from the state's values and its number alone, whichever are made together.
        """
        assert state.latent is not None
        address, at = digest_of(state.latent).hex(), self._place(state) + 1
        drawn = [self._ctx.noise(self._query, 1, address, number, engine=self._engine) for number in numbers]
        return await self._moved(self._steps([state] * len(drawn), self._way.times[at], np.concatenate(drawn)), at)

    def _steps(self, heads: Sequence[Candidate], to: float, z: Array) -> list[Move]:
        """A random step from each state, all at one time."""
        states = [head.latent for head in heads if head.latent is not None]
        x, velocity, t = stacked(states), slopes(states), states[0].t
        g = diffusion_at(t, self._way.diffusion)
        made = sde_steps(self._way.path, x, velocity, (t, to), g=g, z=z)
        return [Move(latent, (), head) for latent, head in zip(unstacked(made, to), heads, strict=True)]

    async def _moved(self, moves: Sequence[Move], at: int) -> list[Candidate | None]:
        """What is evaluated at a place of the grid, leaving enough in the budget for one state to come to its end.

        Between two stops that is one at the former: the search knows no states between.
        """
        is_stop, known = at in self._way.stops, max(stop for stop in self._way.stops if stop <= at)
        ask = Denoise(
            self._query,
            self._way.flow,
            moves,
            looks=True,
            decodes=is_stop and self._verifier is not None,
            engine=self._engine,
            then=self._verifier if is_stop else None,
            leaving=self._ctx.ending(self._way.flow, self._way.evaluations_after(known), self._verifier, self._engine),
        )
        return await self._ctx.denoise(ask)
