"""What a sweep measured, composition by composition, as its record tells it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...orchestrator.budget import COUNTED, unit_of
from ...orchestrator.types import Query
from ..decisions.evidence import Evidence
from ..pools.holdings import Holdings
from ..pools.outcomes import Outcome
from ..pools.wanted import Wanted
from ..problem import Ask, Floats, Row
from ..record import Batch, Member, Record

Places = dict[int, dict[tuple[int, int], Outcome]]
"""By composition: the outcome at (query, replicate)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one composition gave on one part of the data.

    Args:
        by_query: the expected label, the mean over replicates, by the query's id.
        difficulties: of each query.
        cost: mean cost of a fresh query, in the order of `COUNTED`.
        replicates: the most replicates on any query.
        failed: draws that were lost.
        unjudged: draws that the checker could not judge.
        unscored: draws that the verifier that chooses could not judge.
        pictures: the thumbnail of what it made, and the label of that, by the query's id.
    """

    by_query: Mapping[str, float]
    difficulties: Sequence[str]
    cost: Floats
    replicates: int
    failed: int
    unjudged: int
    unscored: int
    pictures: Mapping[str, tuple[str, float]]

    @property
    def values(self) -> Floats:
        """The labels, in the order of the queries."""
        return np.array(list(self.by_query.values()), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything measured; compositions are numbered in the order of their ids.

    Args:
        ids: of the compositions.
        numbers: of the compositions, by their ids.
        members: the compositions.
        development: what each gave there.
        confirmation: what each gave there that was measured on all of it: what ran short of the budget may be hard.
        evidence: on the development queries.
        holdings: the pools of the development queries.
        fresh: what everything measured would have cost fresh, in the order of `COUNTED`.
    """

    ids: Sequence[str]
    numbers: Mapping[str, int]
    members: Sequence[Member]
    development: Mapping[int, Seen]
    confirmation: Mapping[int, Seen]
    evidence: Evidence
    holdings: Holdings
    fresh: Floats

    @classmethod
    def of(cls, record: Record) -> Measured:
        """What the record of a sweep tells."""
        ids = sorted(record.members)
        numbers = {id: number for number, id in enumerate(ids)}
        members = [record.members[id] for id in ids]
        searched = [batch for batch in record.batches if batch.phase != "confirmation"]
        confirming = [batch for batch in record.batches if batch.phase == "confirmation"]
        parts = record.parts
        strategies = [member.strategy for member in members]
        holdings, others = (
            Holdings(strategies, part, record.pools) for part in (parts.development, parts.confirmation)
        )
        seen, held = _places(holdings, numbers, searched), _places(others, numbers, confirming)
        confirmed = {number: _seen(places, parts.confirmation) for number, places in held.items()}
        costs = [o.cost for places in (seen, held) for of_one in places.values() for o in of_one.values()]
        return cls(
            ids,
            numbers,
            members,
            {number: _seen(places, parts.development) for number, places in seen.items()},
            {number: seen for number, seen in confirmed.items() if len(seen.by_query) == len(parts.confirmation)},
            _evidence(seen, len(parts.development)),
            holdings,
            np.sum(costs, axis=0) if costs else np.zeros(len(COUNTED)),
        )

    def cost(self, number: int, dimension: str) -> float:
        """The mean cost of a fresh query of a composition; money in dollars."""
        return float(self.development[number].cost[COUNTED.index(dimension)]) / unit_of(dimension)


def _places(holdings: Holdings, numbers: Mapping[str, int], batches: Sequence[Batch]) -> Places:
    """The latest outcome of everything that the batches asked, or got beside."""
    latest: dict[int, dict[tuple[int, int], Wanted]] = defaultdict(dict)
    for batch in batches:
        asks = [Ask(numbers[id], items, replicate) for id, items, replicate in batch.asks if id in numbers]
        for (composition, replicate), items in holdings.touched(asks, batch.came(holdings.wanted(asks))).items():
            latest[composition].update({(item, replicate): one for item, one in items.items()})
    return {
        composition: {place: holdings.outcome(composition, one) for place, one in places.items()}
        for composition, places in sorted(latest.items())
    }


def _seen(places: Mapping[tuple[int, int], Outcome], queries: Sequence[Query]) -> Seen:
    by_item: dict[int, list[Outcome]] = defaultdict(list)
    for (item, _), outcome in sorted(places.items()):
        by_item[item].append(outcome)
    outcomes = list(places.values())
    return Seen(
        {queries[item].id: float(np.mean([o.value for o in of_one])) for item, of_one in by_item.items()},
        [queries[item].difficulty for item in by_item],
        np.mean([outcome.cost for outcome in outcomes], axis=0),
        max(map(len, by_item.values())),
        sum(outcome.failed for outcome in outcomes),
        sum(outcome.unjudged for outcome in outcomes),
        sum(outcome.unscored for outcome in outcomes),
        {queries[item].id: first.picture for item, (first, *_) in by_item.items() if first.picture},
    )


def _evidence(places: Places, items: int) -> Evidence:
    evidence = Evidence(items)
    for number, of_one in places.items():
        by_replicate: dict[int, list[int]] = defaultdict(list)
        for item, replicate in sorted(of_one):
            by_replicate[replicate].append(item)
        for replicate, numbers in by_replicate.items():
            values = np.array([of_one[item, replicate].value for item in numbers])
            evidence.add([Row(number, replicate, np.array(numbers, dtype=np.intp), values, values * 0)])
    return evidence
