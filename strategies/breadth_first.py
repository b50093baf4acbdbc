"""The breadth of a tree of thoughts: which states of a level go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from .allocation import laid_out
from .level_search import Level, S, best_first
from .sequential_monte_carlo import drawn


class BreadthFirst:
    """Gives `thoughts` children to each of as many states as the room allows."""

    def __init__(self, thoughts: int, select: Literal["greedy", "sample"]) -> None:
        self._thoughts = thoughts
        self._select = select

    def allocate(self, level: Level[S]) -> list[int]:
        nodes = level.nodes
        order = best_first(nodes, unique=True)
        if self._select == "sample":
            weights = [max(0.0, nodes[i].score or 0.0) for i in order]
            order = [order[place] for place in without_replacement(weights, level.rng)]
        kept = order[: -(-level.room // self._thoughts)]
        counts = [min(self._thoughts, level.room - self._thoughts * place) for place in range(len(kept))]
        return laid_out(counts, kept, len(nodes))


def without_replacement(weights: Sequence[float], rng: np.random.Generator) -> list[int]:
    """The places of all weights in an order drawn in proportion to them, those that weigh nothing last."""
    left, order = dict(enumerate(weights)), list[int]()
    while left:
        order.append([*left][drawn([*left.values()], rng)])
        del left[order[-1]]
    return order
