"""The pools that a sweep holds, and what they say of every composition that they serve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from ...orchestrator.strategy import Strategy
from ...orchestrator.types import Query
from ..problem import Ask
from .arms import Arm, arm_of, draws_of, stream_of
from .needs import Need, needs
from .outcomes import Outcome, Reading
from .pool import Pool
from .wanted import Wanted

Place = tuple[str, int, int]
"""The id of an arm, the number of a query, and a replicate."""


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

    A composition that stops as it goes is replayed where the pools that it would draw from are held already, or are
    wanted with it; what is run as it stands otherwise shares whatever draws it asks in the same words. What joins the
    compositions later is told of from the pools that are held already.

    Args:
        strategies: all compositions, by number; may grow.
        queries: the part, by number.
        pools: every pool by the name of its task; what is measured meanwhile appears there.
    """

    def __init__(self, strategies: Sequence[Strategy], queries: Sequence[Query], pools: Mapping[str, Pool]) -> None:
        self._strategies, self._queries, self._pools = strategies, queries, pools
        self._numbers = {query.id: number for number, query in enumerate(queries)}
        self._arms: list[Arm] = []
        self._draws: list[int] = []
        self._sources = cache(self._sources_of)
        self._served: dict[str, list[int]] = defaultdict(list)
        self._judging: dict[str, dict[str, Arm]] = defaultdict(dict)
        self._held: dict[Place, Wanted] = {}
        self._came: dict[str, list[Wanted]] = defaultdict(list)
        self._best: dict[tuple[int, int, int], Wanted] = {}
        self._readings: dict[str, Reading] = {}
        self._untold: dict[tuple[int, int], dict[int, Wanted]] = defaultdict(dict)
        self._follow()

    def wanted(self, asks: Sequence[Ask]) -> list[Wanted]:
        """The pools that these asks take beyond those that tell of them, each arm's as large as any member needs."""
        self._follow()
        found: dict[Place, Wanted] = {}
        asked: dict[Place, int] = {}
        for ask in asks:
            arm, draws = self._arms[ask.composition], self._draws[ask.composition]
            for item in ask.items:
                place = (arm.id, item, ask.replicate)
                is_known = (ask.composition, item, ask.replicate) in self._best
                if not is_known and (place not in found or found[place].draws < draws):
                    found[place] = Wanted(arm, draws, self._queries[item], ask.replicate)
                    asked[place] = ask.composition
        known = self._held | found
        for place, composition in asked.items():
            if sources := self._replayable(composition, place, known):
                found[place] = replace(found[place], replayed_from=sources)
        return list(found.values())

    def told(self, asks: Sequence[Ask], had: Sequence[Wanted]) -> list[Told]:
        """What is known now of the compositions asked, and of all others that new pools serve.

        Args:
            asks: what was asked.
            had: what was wanted for it and came.
        """
        return [self._tell(*place, items) for place, items in self.touched(asks, had).items()]

    def touched(self, asks: Sequence[Ask], had: Sequence[Wanted]) -> dict[tuple[int, int], dict[int, Wanted]]:
        """By composition and replicate, in their order, the largest pool that each query is told from; see `told`."""
        self._follow()
        touched, self._untold = self._untold, defaultdict(dict)

        def touch(composition: int, item: int, one: Wanted) -> None:
            touched[composition, one.replicate][item] = self._bettered(composition, item, one)

        for one in had:
            item = self._numbers[one.query.id]
            self._held[one.arm.id, item, one.replicate] = one
            self._came[one.arm.stream].append(one)
            for member in self._members(one.arm, one.draws):
                touch(member, item, one)
        for ask in asks:
            for item in ask.items:
                if best := self._best.get((ask.composition, item, ask.replicate)):
                    touch(ask.composition, item, best)
        return {place: touched[place] for place in sorted(touched)}

    def held(self, replicate: int = 0) -> dict[Arm, list[Pool]]:
        """The pools of each pooled arm in one replicate, in the order of the queries."""
        found: dict[Arm, list[Pool]] = defaultdict(list)
        for place, one in sorted(self._held.items(), key=lambda each: each[0]):
            if one.arm.is_pool and place[2] == replicate:
                found[one.arm].append(self._pools[one.id])
        return found

    def _bettered(self, composition: int, item: int, one: Wanted) -> Wanted:
        """The largest pool that tells of a composition on a query, `one` among them."""
        best = self._best.get((composition, item, one.replicate))
        if best is None or best.draws < one.draws:
            best = self._best[composition, item, one.replicate] = one
        return best

    def _follow(self) -> None:
        """Take in the compositions that joined since."""
        for number in range(len(self._arms), len(self._strategies)):
            arm, draws = arm_of(self._strategies[number]), draws_of(self._strategies[number])
            self._arms.append(arm)
            self._draws.append(draws)
            self._served[arm.stream].append(number)
            self._judging[arm.stream][arm.id] = arm
            self._sources.cache_clear()
            for one in self._came[arm.stream]:
                if one.draws >= draws and one.arm.serves(arm):
                    item = self._numbers[one.query.id]
                    self._untold[number, one.replicate][item] = self._bettered(number, item, one)

    def _members(self, arm: Arm, draws: int) -> list[int]:
        """The compositions that a pool of an arm serves."""
        return [n for n in self._served[arm.stream] if self._draws[n] <= draws and arm.serves(self._arms[n])]

    def _sources_of(self, composition: int) -> tuple[tuple[Need, tuple[tuple[str, ...], ...]], ...]:
        """The pools that a composition draws from, each with the arms that draw so and are judged by each judge."""
        if self._arms[composition].is_pool:
            return ()
        found = []
        for need in needs(self._strategies[composition]) or ():
            arms = self._judging.get(stream_of(need.engine, need.sampling), {})
            judges = need.verifiers or (None,)
            named = (tuple(id for id, arm in arms.items() if judge in (None, arm.verifier)) for judge in judges)
            found.append((need, tuple(named)))
        return tuple(found)

    def _replayable(self, composition: int, place: Place, known: Mapping[Place, Wanted]) -> tuple[Need, ...]:
        """The pools from which a composition is replayed; none where it is pooled itself, or some are too small."""
        found = []
        for need, judged in self._sources(composition):
            sizes = [
                max((known[id, *place[1:]].draws for id in ids if (id, *place[1:]) in known), default=0)
                for ids in judged
            ]
            if min(sizes) < need.draws:
                return ()
            found.append(replace(need, draws=min(sizes)))
        return tuple(found)

    def outcome(self, composition: int, one: Wanted) -> Outcome:
        """What a pool tells of a composition."""
        if one.id not in self._readings:
            self._readings[one.id] = Reading(self._pools[one.id])
        return self._readings[one.id].of(self._strategies[composition])

    def _tell(self, composition: int, replicate: int, items: Mapping[int, Wanted]) -> Told:
        ordered = sorted(items)
        outcomes = tuple(self.outcome(composition, items[item]) for item in ordered)
        return Told(composition, replicate, tuple(ordered), outcomes, self._draws[composition])
