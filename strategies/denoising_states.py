"""Denoising states of a search, whatever way they go: how they are judged, and when they end."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from ..orchestrator.context import Context
from ..orchestrator.images import Array, Latent
from ..orchestrator.passing import digest_of
from ..orchestrator.types import Candidate, Query
from ..orchestrator.verifier import Verifier
from .level_search import Node, standing


class DenoisingStates:
    """What a `Domain` of denoising states is but for how they go on; a subclass implements `extend` and `ended`.

    Args:
        query: what is asked.
        ctx: the door to effects.
        engine: the denoiser.
        verifier: judges what is expected of states; None leaves them unjudged.
    """

    def __init__(self, query: Query, ctx: Context, engine: str, verifier: Verifier | None) -> None:
        self._query, self._ctx, self._engine, self._verifier = query, ctx, engine, verifier

    @property
    def is_stopped(self) -> bool:
        return self._ctx.is_stopped

    def noise(self, states: Sequence[Latent]) -> Array:
        """Fresh noise for each state.

        That of a state's n-th child follows from its values and n, so that states that are equal get different ones.
        """
        places: dict[bytes, list[int]] = {}
        for place, state in enumerate(states):
            places.setdefault(state.values, []).append(place)
        found = np.empty((len(states), *states[0].shape), np.float32)
        for equal in places.values():
            address = digest_of(states[equal[0]]).hex()
            found[equal] = self._ctx.noise(self._query, len(equal), address, engine=self._engine)
        return found

    async def ended(self, states: Sequence[Candidate | None]) -> list[Candidate | None]:
        """The image that each state becomes with no more noise, from wherever it stands."""
        raise TypeError(f"{type(self).__name__} must implement ended")

    async def saved(self, unfinished: Sequence[Node[Candidate]]) -> list[Candidate]:
        """The image, judged, of the best of the states that have come furthest."""
        if not unfinished:
            return []
        best = min(unfinished, key=lambda node: (node.state.latent and node.state.latent.t, standing(node)))
        ends = [end for end in await self.ended([best.state]) if end is not None]
        return [state for state, _ in await self.score(ends)]

    async def score(self, states: Sequence[Candidate]) -> list[tuple[Candidate, float | None]]:
        verifier = self._verifier
        if verifier is None or not states:
            return [(state, None) for state in states]
        judged, name = await self._ctx.score(self._query, states, verifier), verifier.name
        return [(state, state.scores[name].value) for state in judged]

    def is_terminal(self, state: Candidate) -> bool:
        return state.finish.is_terminal

    def key(self, state: Candidate) -> Hashable:
        return state.latent

    def cost(self, state: Candidate) -> float:
        return state.usage.nfe
