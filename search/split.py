"""The split of a data set: what a search may see, and what it is confirmed on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..orchestrator.canonical import digest
from ..orchestrator.errors import UsageError
from ..orchestrator.types import Query


@dataclass(frozen=True, slots=True)
class Split:
    """A data set in two parts, each in an order by chance in which every difficulty comes evenly.

    Args:
        development: what searches measure on.
        confirmation: what no search sees.
    """

    development: tuple[Query, ...]
    confirmation: tuple[Query, ...]


def split(queries: Sequence[Query], share: float = 0.4) -> Split:
    """Part `queries` by a hash of what they ask, `share` of them for confirmation, of each difficulty alike.

    The order of the data set has no part in it, so more queries at its end leave most others where they were.

    Raises:
        UsageError: there are fewer than two queries.
    """
    if len(queries) < 2:
        raise UsageError(
            f"a search must have 2 queries at least, one to search on and one to confirm on, got {len(queries)}; add more"
        )
    ordered = _mixed(queries)
    held = [int((i + 1) * share) > int(i * share) for i in range(len(ordered))]
    if not any(held):
        held[-1] = True
    return Split(
        tuple(query for query, is_held in zip(ordered, held, strict=True) if not is_held),
        tuple(query for query, is_held in zip(ordered, held, strict=True) if is_held),
    )


def _mixed(queries: Sequence[Query]) -> list[Query]:
    """The queries by chance, each difficulty spread evenly over all places."""
    by_difficulty: dict[str, list[Query]] = defaultdict(list)
    for query in sorted(queries, key=lambda query: (digest("split", query.messages), query.id)):
        by_difficulty[str(query.metadata.get("difficulty", ""))].append(query)
    placed = [
        ((rank + 0.5) / len(group), digest("place", query.messages), query.id, query)
        for group in by_difficulty.values()
        for rank, query in enumerate(group)
    ]
    return [query for *_, query in sorted(placed, key=lambda place: place[:3])]
