"""The one kernel of stepwise search: extend states, score them, allocate the next round.

Beam search, diverse trees, REBASE, particle filters and trees of thoughts differ only in their allocator. The kernel
knows neither tokens nor tensors: a state is whatever its domain makes of it, a partial text or a half-denoised image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from .lineage import lineage

S = TypeVar("S")


class Domain(Protocol[S]):
    """What states are: how they go on, how they are judged, and when they end."""

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more will come: the budget or the deadline has ended it."""

    async def extend(self, parents: Sequence[tuple[S | None, int]]) -> list[list[S]]:
        """For each parent so many children, or fewer where some are lost; the parent None stands for the beginning."""

    async def score(self, states: Sequence[S]) -> list[tuple[S, float | None]]:
        """Each state, judged, and its score; None where it cannot be told."""

    def is_terminal(self, state: S) -> bool:
        """Whether nothing can follow."""

    def key(self, state: S) -> Hashable:
        """Equal for states that are the same."""

    def cost(self, state: S) -> float:
        """What the state added to its parent, in tokens or evaluations."""


@dataclass(frozen=True, slots=True, eq=False)
class Node(Generic[S]):
    """A state in the tree of a search.

    Args:
        state: what the domain made.
        index: its place in the order of creation; the last key of every tie.
        score: as judged, None where it cannot be told.
        is_terminal: whether nothing can follow.
        key: equal for nodes whose states are the same.
        cost: what it added to its parent.
        parent: the node it goes on from; None on the first level.
        root: the place of its ancestor on the first level.
    """

    state: S
    index: int
    score: float | None
    is_terminal: bool
    key: Hashable
    cost: float
    parent: Node[S] | None
    root: int


@dataclass(frozen=True, slots=True)
class Level(Generic[S]):
    """What an allocator sees of one level.

    Args:
        nodes: those that can go on; at least one.
        ended: those that have come to their end on this level.
        room: children that the next level may have: the width less the paths that have ended.
        depth: of this level, from 1.
        rng: random numbers of this level.
    """

    nodes: Sequence[Node[S]]
    ended: Sequence[Node[S]]
    room: int
    depth: int
    rng: np.random.Generator


class Allocator(Protocol):
    """Decides how many children each of ``level.nodes`` gets, at most ``level.room`` in all."""

    def allocate(self, level: Level[S]) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Found(Generic[S]):
    """What a search ends with: nodes that have come to their end, and those that could have gone on."""

    ended: list[Node[S]]
    unfinished: list[Node[S]]


def standing(node: Node[S]) -> tuple[bool, float, float, int]:
    """The sorting key of nodes, best first: a valid score, the higher score, the cheaper path, the earlier node."""
    return (node.score is None, -(node.score or 0.0), math.fsum(each.cost for each in lineage(node)), node.index)


def best_first(nodes: Sequence[Node[S]], *, unique: bool = False) -> list[int]:
    """The places of the nodes, the best first; with `unique` only the best of those that are the same."""
    order = sorted(range(len(nodes)), key=lambda i: standing(nodes[i]))
    if not unique:
        return order
    first: dict[Hashable, int] = {}
    for i in order:
        first.setdefault(nodes[i].key, i)
    return list(first.values())


async def search(
    domain: Domain[S],
    allocator: Allocator,
    *,
    n: int,
    depth: int,
    rng: Callable[[str], np.random.Generator],
    first: int | None = None,
) -> Found[S]:
    """Search level by level until `n` paths have ended or nothing can go on.

    A node whose children were all lost stays among the unfinished, so that nothing paid for is thrown away.

    Args:
        domain: makes and judges states.
        allocator: decides who goes on.
        n: most paths that end.
        depth: most levels.
        rng: random numbers by name.
        first: children on the first level; None for `n`.
    """
    growth = Growth(domain)
    ended, stuck = list[Node[S]](), list[Node[S]]()
    parents: list[tuple[Node[S] | None, int]] = [(None, n if first is None else first)]
    live = list[Node[S]]()
    for level in range(1, depth + 1):
        children, childless = await growth.grow(parents)
        last = [node for node in children if node.is_terminal]
        live = [node for node in children if not node.is_terminal]
        ended, stuck = ended + last, stuck + childless
        if not live or len(ended) >= n or domain.is_stopped:
            break
        if level < depth:
            counts = allocator.allocate(Level(live, last, n - len(ended), level, rng(f"level {level}")))
            parents = [(node, count) for node, count in zip(live, counts, strict=True) if count]
            if not parents:
                break
    return Found(ended, live + stuck)


class Growth(Generic[S]):
    """Makes the nodes of one level after the other, and numbers them."""

    def __init__(self, domain: Domain[S]) -> None:
        self._domain = domain
        self._made = 0

    async def grow(self, parents: Sequence[tuple[Node[S] | None, int]]) -> tuple[list[Node[S]], list[Node[S]]]:
        """The children of `parents`, judged, and the parents that got none."""
        drawn = await self._domain.extend([(node.state if node else None, count) for node, count in parents])
        judged = iter(await self._domain.score([state for group in drawn for state in group]))
        children, childless = list[Node[S]](), list[Node[S]]()
        for (parent, _), group in zip(parents, drawn, strict=True):
            children += [self._node(*next(judged), parent) for _ in group]
            if parent is not None and not group:
                childless.append(parent)
        return children, childless

    def _node(self, state: S, score: float | None, parent: Node[S] | None) -> Node[S]:
        domain, index = self._domain, self._made
        self._made += 1
        root = index if parent is None else parent.root
        return Node(state, index, score, domain.is_terminal(state), domain.key(state), domain.cost(state), parent, root)
