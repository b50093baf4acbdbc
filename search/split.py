"""The split of a data set: what a search may see, and what it is confirmed on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..orchestrator.canonical import digest
from ..orchestrator.errors import UsageError
from ..orchestrator.types import Query

Asked = list[Query]
"""The queries that ask the same, which share their draws."""


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

    Queries that ask the same come into the same part. The order of the data set plays none, and with more queries all
    but a few stay in their part.

    Raises:
        UsageError: there are fewer than two different queries.
    """
    groups = _by_difficulty(queries)
    total = sum(map(len, groups.values()))
    if total < 2:
        raise UsageError(
            f"a search must have 2 different queries at least, one to search on and one to confirm on, got {total}; "
            "add more"
        )
    parts: tuple[list[list[Asked]], list[list[Asked]]] = ([], [])
    before = 0
    for name in sorted(groups):
        after = before + len(groups[name])
        held = _held(after, total, share) - _held(before, total, share)
        parts[0].append(groups[name][held:])
        parts[1].append(groups[name][:held])
        before = after
    development, confirmation = map(_mixed, parts)
    return Split(development, confirmation)


def _held(count: int, total: int, share: float) -> int:
    """How many of the first `count` of all are held back; of all, neither none nor every one."""
    held = int(count * share)
    return min(max(held, 1), total - 1) if count == total else held


def _by_difficulty(queries: Sequence[Query]) -> Mapping[str, list[Asked]]:
    """What is asked, by difficulty, in the order of its hash."""
    asked: dict[bytes, Asked] = defaultdict(list)
    for query in queries:
        asked[digest("split", query.messages)].append(query)
    groups: dict[str, list[Asked]] = defaultdict(list)
    for key in sorted(asked):
        same = sorted(asked[key], key=lambda query: query.id)
        groups[same[0].difficulty].append(same)
    return groups


def _mixed(groups: Sequence[Sequence[Asked]]) -> tuple[Query, ...]:
    """The queries of all groups in one row, those of each group evenly spread over it."""
    placed = [
        ((rank + 0.5) / len(group), digest("place", same[0].messages), same)
        for group in groups
        for rank, same in enumerate(group)
    ]
    return tuple(query for *_, same in sorted(placed, key=lambda place: place[:2]) for query in same)
