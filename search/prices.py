"""Prices: what measuring would newly cost, from what has been seen so far and what is held already."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..orchestrator.budget import COUNTED
from ..orchestrator.canonical import stable_id
from ..orchestrator.pipeline import Pipeline, is_series
from ..orchestrator.strategy import Strategy
from ..orchestrator.verifier import Verifier
from .pools.arms import arm_of, draws_of, stream_of
from .pools.needs import needs
from .problem import Floats, Indices

Mask = NDArray[np.bool_]
SCALES = ("total_tokens", "nfe", "calls")


class Prices:
    """What a fresh query costs by composition, and what of it is held.

    What a composition costs is the mean of what it was seen to cost; before that, its most scaled by how much of their
    most the measured ones of its family cost, or all measured ones.

    Args:
        compositions: the compositions, by number.
        most: (compositions, dimensions) the most a query may cost, in the order of `COUNTED`.
        families: the family of each.
        items: queries that may be asked.
        part_most: the most that a composition may cost, for the parts of a pipeline.
    """

    def __init__(
        self,
        compositions: Sequence[Strategy],
        most: Floats,
        families: Indices,
        items: int,
        part_most: Callable[[Strategy], Floats],
    ) -> None:
        self._compositions = compositions
        self._most, self._families, self._items = most, families, items
        self._seen: dict[int, dict[int, Floats]] = defaultdict(dict)
        self._means: dict[int, Floats] = {}
        self._draws: dict[str, Floats] = {}
        self._all = most.copy()
        self._is_stale = False
        self._held: dict[tuple[str, int], Indices] = {}
        self._parts = lru_cache(maxsize=None)(lambda number: _parts(compositions[number], part_most))
        self._pools = lru_cache(maxsize=None)(lambda number: _pools(compositions[number]))
        self._arms = lru_cache(maxsize=None)(lambda number: arm_of(compositions[number]))

    def elsewhere(self, items: int) -> Self:
        """The same costs, on other queries of which nothing is held."""
        other = copy.copy(self)
        other._items, other._held = items, {}
        return other

    def beside(self) -> Self:
        """The same, where more can be held without a trace here."""
        other = copy.copy(self)
        other._held = {place: kept.copy() for place, kept in self._held.items()}
        return other

    def grow(self, most: Floats, families: Indices) -> None:
        """Take in compositions that joined; those that were there keep their numbers."""
        self._most, self._families, self._is_stale = most, families, True

    def see(self, composition: int, replicate: int, items: Indices, costs: Floats) -> None:
        """Take in what fresh runs of a composition cost, one row a query; what was known of these is replaced."""
        kept = self._seen[composition].setdefault(replicate, np.full((self._items, len(COUNTED)), np.nan))
        kept[items] = costs
        rows = np.concatenate(list(self._seen[composition].values()))
        mean = self._means[composition] = rows[~np.isnan(rows[:, 0])].mean(axis=0)
        self._is_stale = True
        arm = self._arms(composition)
        if arm.is_pool and arm.verifier is None:
            self._draws[arm.stream] = mean / draws_of(self._compositions[composition])

    def hold(self, composition: int, draws: int, replicate: int, items: Indices) -> None:
        """Note that a composition was measured, with so many pooled draws where it is pooled."""
        arm = self._arms(composition)
        if not arm.is_pool:
            for part, _ in self._parts(composition):
                self._kept(part, replicate)[items] = 1
            return
        for name in {arm.stream, _judged(arm.stream, arm.verifier)}:
            kept = self._kept(name, replicate)
            kept[items] = np.maximum(kept[items], draws)

    def costs(self) -> Floats:
        """(compositions, dimensions) the mean cost of a fresh query, as far as is known."""
        if self._is_stale:
            self._all, self._is_stale = self._estimated() if self._means else self._most.copy(), False
        return self._all

    def new(self, composition: int, replicate: int, items: Indices) -> Floats:
        """What measuring a composition would newly cost, by dimension."""
        arm = self._arms(composition)
        fresh: Floats = self.costs()[composition]
        if not arm.is_pool:
            held = np.zeros(len(items))
            for part, share in self._parts(composition):
                held += share * (self._kept(part, replicate)[items] > 0)
            held[self._is_replayable(composition, replicate, items)] = 1.0
            return _times(fresh, (1 - np.minimum(held, 1.0)).sum())
        n = draws_of(self._compositions[composition])
        drawn = np.maximum(0, n - self._kept(arm.stream, replicate)[items]).sum()
        if arm.verifier is None:
            return _times(fresh / n, drawn)
        judged = np.maximum(0, n - self._kept(_judged(arm.stream, arm.verifier), replicate)[items]).sum()
        draw = np.minimum(self._draws.get(arm.stream, fresh / n / 2), fresh / n)
        return _times(draw, drawn) + _times(fresh / n - draw, judged)

    def _is_replayable(self, composition: int, replicate: int, items: Indices) -> Mask:
        """The queries on which the pools that a composition would draw from are held."""
        found = self._pools(composition)
        covered = np.full(len(items), bool(found))
        for name, draws in found:
            covered &= self._kept(name, replicate)[items] >= draws
        return covered

    def _kept(self, name: str, replicate: int) -> Indices:
        return self._held.setdefault((name, replicate), np.zeros(self._items, dtype=np.intp))

    def _estimated(self) -> Floats:
        ratios: dict[int, list[Floats]] = defaultdict(list)
        for number, mean in self._means.items():
            ratio = np.divide(mean, self._most[number], out=np.ones(len(COUNTED)), where=self._most[number] > 0)
            ratios[int(self._families[number])].append(ratio)
        whole = np.mean([ratio for group in ratios.values() for ratio in group], axis=0)
        by_family = {family: np.mean(group, axis=0) for family, group in ratios.items()}
        scale = np.array([by_family.get(int(family), whole) for family in self._families])
        found: Floats = self._most * scale
        for number, mean in self._means.items():
            found[number] = mean
        return found


def _times(cost: Floats, count: float) -> Floats:
    return cost * float(count)


def _pools(composition: Strategy) -> tuple[tuple[str, int], ...]:
    """The names and sizes of the pools that a composition can be replayed from."""
    found = []
    for need in needs(composition) or ():
        stream = stream_of(need.engine, need.sampling)
        found += [(_judged(stream, verifier), need.draws) for verifier in need.verifiers or (None,)]
    return tuple(found)


def _judged(stream: str, verifier: Verifier | None) -> str:
    """The name of draws that a verifier has judged; of the draws alone where there is none."""
    return stream if verifier is None else f"{stream}/{stable_id(verifier)}"


def _parts(composition: Strategy, most: Callable[[Strategy], Floats]) -> tuple[tuple[str, float], ...]:
    """The beginnings of a composition that others may have in common with it, and the share of its cost each adds."""
    if not isinstance(composition, Pipeline) or not is_series(composition.nodes):
        return ((composition.id, 1.0),)
    strategies = [node.strategy for node in composition.nodes]
    totals = [_scalar(most(Pipeline.series(*strategies[: i + 1]))) for i in range(len(strategies))]
    names = [stable_id([strategy.id for strategy in strategies[: i + 1]]) for i in range(len(strategies))]
    shares = np.diff([0.0, *totals]) / (totals[-1] or 1.0)
    return tuple(zip(names, shares.tolist(), strict=True))


def _scalar(most: Floats) -> float:
    """A cost as one number: its tokens, or where it counts none its evaluations of a network, or its calls."""
    return float(next((most[COUNTED.index(name)] for name in SCALES if most[COUNTED.index(name)]), 0.0))
