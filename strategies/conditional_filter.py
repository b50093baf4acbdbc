"""The conditional particle filter: one particle's path is given, the others are drawn around it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np

from .allocation import laid_out, resample, softmax
from .level_search import Domain, Level, Node, S, search
from .lineage import lineage
from .sequential_monte_carlo import Particles, SequentialMonteCarlo, drawn


@dataclass(frozen=True, slots=True)
class Filtered(Generic[S]):
    """What a filter ends with: the particles' states and shares, those that ended first, and a path drawn by weight."""

    ended: list[S]
    unfinished: list[S]
    shares: tuple[float, ...]
    path: list[S]


async def filtered(
    domain: Domain[S], path: Sequence[S], knobs: SequentialMonteCarlo, rng: Callable[[str], np.random.Generator]
) -> Filtered[S]:
    """One filter, conditional on the particle that takes `path` (Andrieu, Doucet and Holenstein 2010, §4.3).

    An empty path conditions on nothing.
    """
    particles = Conditioned(knobs)
    found = await search(Retaining(domain, path), particles, n=knobs.n, depth=knobs.max_steps, rng=rng)
    nodes = [*found.ended, *found.unfinished]
    shares = softmax([particles.log_weight(node) for node in nodes])
    last = list(lineage(nodes[drawn(shares, rng("path"))])) if nodes else []
    return Filtered(
        [node.state.state for node in found.ended],
        [node.state.state for node in found.unfinished],
        shares,
        [node.state.state for node in reversed(last)],
    )


@dataclass(frozen=True, slots=True)
class Marked(Generic[S]):
    """A state, and its place on the retained path where it is on it."""

    state: S
    place: int | None = None


class Retaining(Generic[S]):
    """A domain in which the retained path is always among the children."""

    def __init__(self, domain: Domain[S], path: Sequence[S]) -> None:
        self._domain = domain
        self._path = path

    @property
    def is_stopped(self) -> bool:
        return self._domain.is_stopped

    async def extend(self, parents: Sequence[tuple[Marked[S] | None, int]]) -> list[list[Marked[S]]]:
        heirs = [self._heir(parent) for parent, _ in parents]
        free = [count - len(heir) for heir, (_, count) in zip(heirs, parents, strict=True)]
        asked = [(at.state if at else None, count) for (at, _), count in zip(parents, free, strict=True) if count]
        made = iter(await self._domain.extend(asked))
        return [
            heir + [Marked(state) for state in (next(made) if count else [])]
            for heir, count in zip(heirs, free, strict=True)
        ]

    async def score(self, states: Sequence[Marked[S]]) -> list[tuple[Marked[S], float | None]]:
        judged = await self._domain.score([each.state for each in states])
        return [(Marked(state, each.place), score) for each, (state, score) in zip(states, judged, strict=True)]

    def is_terminal(self, state: Marked[S]) -> bool:
        return self._domain.is_terminal(state.state)

    def key(self, state: Marked[S]) -> Hashable:
        return self._domain.key(state.state)

    def cost(self, state: Marked[S]) -> float:
        return self._domain.cost(state.state)

    def _heir(self, parent: Marked[S] | None) -> list[Marked[S]]:
        """The next state of the retained path, after one that is on it."""
        if parent is not None and parent.place is None:
            return []
        place = 0 if parent is None or parent.place is None else parent.place + 1
        return [Marked(self._path[place], place)] if place < len(self._path) else []


class Conditioned(Particles):
    """Gives the retained particle a copy at least, by the law that its survival leaves for all the copies.

    Particles are laid out in random order, so that it does not matter which of the equal copies is the retained one.
    """

    def copies(self, level: Level[S], shares: Sequence[float]) -> list[int]:
        order = level.rng.permutation(len(shares)).tolist()
        retained = next((place for place, i in enumerate(order) if _is_retained(level.nodes[i])), None)
        laid = [shares[i] for i in order]
        counts = resample(level.room, laid, level.rng, self.knobs.resampling, retained=retained)
        return laid_out(counts, order, len(order))


def _is_retained(node: Node[S]) -> bool:
    return isinstance(node.state, Marked) and node.state.place is not None
