"""The pools that a sweep holds, and what they say of every composition that they serve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Query
from .arms import Arm, arm_of, draws_of, stream_of
from .needs import Need, needs
from .outcomes import Outcome, outcome
from .pool import Pool
from .problem import Ask
from .wanted import Wanted


@dataclass(frozen=True, slots=True)
class Told:
    """What the pools say of one composition in one replicate.

    Args:
        composition: its number.
        replicate: which set of draws.
        items: numbers of the queries.
        outcomes: one a query.
        draws: pooled draws it took.
    """

    composition: int
    replicate: int
    items: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    draws: int


class Holdings:
    """The pools of one part of a data set.

    A composition that stops as it goes is replayed where the pools that it would draw from are held already; what is
    run as it stands otherwise shares whatever draws it asks in the same words.

    Args:
        strategies: all compositions, by number.
        queries: the part, by number.
        pools: every pool by the name of its task; what is measured meanwhile appears there.
    """

    def __init__(self, strategies: Sequence[Strategy], queries: Sequence[Query], pools: Mapping[str, Pool]) -> None:
        self._strategies, self._queries, self._pools = strategies, queries, pools
        self._numbers = {query.id: number for number, query in enumerate(queries)}
        self._arms = [arm_of(strategy) for strategy in strategies]
        self._draws = [draws_of(strategy) for strategy in strategies]
        self._needs = cache(lambda number: needs(strategies[number]))
        self._served: dict[str, list[int]] = defaultdict(list)
        self._judging: dict[str, dict[str, Arm]] = defaultdict(dict)
        for number, arm in enumerate(self._arms):
            self._served[arm.stream].append(number)
            self._judging[arm.stream][arm.id] = arm
        self._held: dict[tuple[str, int, int], Wanted] = {}

    def wanted(self, asks: Sequence[Ask]) -> list[Wanted]:
        """The pools that these asks take beyond those held, each arm's as large as any of its members needs."""
        found: dict[tuple[str, int, int], Wanted] = {}
        for ask in asks:
            arm, draws = self._arms[ask.composition], self._draws[ask.composition]
            for item in ask.items:
                place = (arm.id, item, ask.replicate)
                held = found.get(place) or self._held.get(place)
                if held is None or held.draws < draws:
                    pools = self._replayable(ask.composition, item, ask.replicate)
                    found[place] = Wanted(arm, draws, self._queries[item], ask.replicate, pools)
        return list(found.values())

    def told(self, asks: Sequence[Ask], wanted: Sequence[Wanted]) -> list[Told]:
        """What is known now of the compositions asked, and of all others that new pools serve.

        Args:
            asks: what was asked.
            wanted: what was to be had for it; some may have failed to come.
        """
        touched: dict[tuple[int, int], dict[int, Wanted]] = defaultdict(dict)
        for one in wanted:
            if one.id in self._pools:
                item = self._numbers[one.query.id]
                self._held[one.arm.id, item, one.replicate] = one
                for member in self._members(one.arm, one.draws):
                    _use(touched[member, one.replicate], item, one)
        for ask in asks:
            arm = self._arms[ask.composition]
            for item in ask.items:
                if (held := self._held.get((arm.id, item, ask.replicate))) is not None:
                    _use(touched[ask.composition, ask.replicate], item, held)
        return [self._tell(*place, touched[place]) for place in sorted(touched) if touched[place]]

    def _members(self, arm: Arm, draws: int) -> list[int]:
        """The compositions that a pool of an arm serves."""
        return [n for n in self._served[arm.stream] if self._draws[n] <= draws and arm.serves(self._arms[n])]

    def _replayable(self, composition: int, item: int, replicate: int) -> tuple[Need, ...]:
        """The pools held from which a composition is replayed; none where it is pooled itself, or they do not do."""
        if self._arms[composition].is_pool:
            return ()
        found = []
        for need in self._needs(composition) or ():
            stream = stream_of(need.engine, need.sampling)
            enough = [
                held
                for id in self._judging.get(stream, ())
                if (held := self._held.get((id, item, replicate))) is not None and held.draws >= need.draws
            ]
            judged = [held for held in enough if set(need.verifiers) <= {held.arm.verifier}]
            if not judged:
                return ()
            best = max(judged, key=lambda held: (held.draws, held.arm.id))
            found.append(Need(need.engine, need.sampling, best.draws, need.verifiers))
        return tuple(found)

    def _tell(self, composition: int, replicate: int, items: Mapping[int, Wanted]) -> Told:
        strategy = self._strategies[composition]
        ordered = sorted(items)
        outcomes = tuple(outcome(strategy, self._pools[items[item].id]) for item in ordered)
        return Told(composition, replicate, tuple(ordered), outcomes, self._draws[composition])


def _use(items: dict[int, Wanted], item: int, one: Wanted) -> None:
    """Use a pool for an item, where none that is larger is used there."""
    if item not in items or items[item].draws < one.draws:
        items[item] = one
