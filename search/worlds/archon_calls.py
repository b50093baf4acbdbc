"""Which model calls a composition of Archon's space makes, and which of them it shares with others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..problem import Indices
from .archon_points import NOTHING, UNIT_TESTS, VERIFIER, ArchonPoint, archon_points


class Prefix(NamedTuple):
    """The candidates that reach a block: those of the generators, or of the layers of fusers on top of them.

    Args:
        generators, samples: who wrote.
        layers: layers of fusers so far; without any, critic and width are 0.
        critic: whether critics and rankers stood before them.
        width: fusers a layer.
    """

    generators: int
    samples: int
    layers: int = 0
    critic: int = 0
    width: int = 0

    def fused(self, critic: int, width: int) -> Prefix:
        """The candidates after one more layer."""
        return Prefix(self.generators, self.samples, self.layers + 1, critic, width)


def prefixes(point: ArchonPoint) -> list[Prefix]:
    """What reaches each block of fusers, the last one's candidates last."""
    reached = [Prefix(point.generators, point.samples)]
    for _ in range(point.layers):
        reached.append(reached[-1].fused(point.critic, point.width))
    return reached


def call_keys(point: ArchonPoint) -> Iterator[tuple[object, ...]]:
    """One key for each call a query; equal keys of two points are one and the same call."""
    *hidden, last = prefixes(point)
    drawn = [("draw", model, draw) for model in range(point.generators) for draw in range(point.samples)]
    yield from drawn
    for prefix in hidden:
        yield from _advice(point, prefix, NOTHING)
        yield from (("fuse", prefix, point.critic, fuser) for fuser in range(point.width))
    candidates = drawn if not hidden else [("fused", last, fuser) for fuser in range(point.width)]
    if point.check == VERIFIER:
        yield from (("verify", step, *candidate) for candidate in candidates for step in ("reason", "verdict"))
    if point.check == UNIT_TESTS:
        yield ("write tests",)
        yield from (("test", *candidate) for candidate in candidates)
    yield from _advice(point, last, point.check)
    yield ("last fuser", last, point.critic, point.check)


def _advice(point: ArchonPoint, prefix: Prefix, check: int) -> Iterator[tuple[object, ...]]:
    if point.critic:
        yield ("critic", prefix, check)
        yield ("ranker", prefix, check)


@lru_cache(maxsize=1)
def numbered_calls() -> tuple[tuple[Indices, ...], int]:
    """The numbers of the calls of every point, in the order of `archon_points`, and how many calls there are."""
    numbers: dict[tuple[object, ...], int] = {}
    table = tuple(
        np.array([numbers.setdefault(key, len(numbers)) for key in call_keys(point)], dtype=np.intp)
        for point in archon_points()
    )
    return table, len(numbers)
