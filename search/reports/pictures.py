"""Which pictures a report shows: what the recommended and the baselines made of a few queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...orchestrator.types import Query
from ..record import Record
from .measured import Measured, Seen
from .report_pictures import Picture, PictureRow, Pictures

MOST_ROWS = 6
MOST_QUERIES = 10


def pictures(record: Record, measured: Measured, names: Mapping[str, str]) -> Pictures | None:
    """The pictures of some compositions, on confirmation queries where these are measured; None where none are held.

    Of queries with one reference the first is shown.

    Args:
        names: of the compositions by their ids, in the order of the rows.
    """
    numbers = {measured.numbers[id]: name for id, name in list(names.items())[:MOST_ROWS]}
    is_confirmation = all(number in measured.confirmation for number in numbers)
    held = measured.confirmation if is_confirmation else measured.development
    seen = {name: held[number] for number, name in numbers.items() if number in held}
    queries = record.parts.confirmation if is_confirmation else record.parts.development
    shown = _shown(queries, list(seen.values()))
    if not shown:
        return None
    return Pictures(
        queries=tuple(query.prompt for query in shown),
        is_confirmation=is_confirmation,
        rows=tuple(PictureRow(name=name, pictures=_row(shown, one)) for name, one in seen.items()),
    )


def _shown(queries: Sequence[Query], seen: Sequence[Seen]) -> list[Query]:
    """The first query of each reference that any has a picture of, by reference."""
    first: dict[str, Query] = {}
    for query in queries:
        if any(query.id in one.pictures for one in seen):
            first.setdefault(query.reference or query.id, query)
    return [first[reference] for reference in sorted(first)[:MOST_QUERIES]]


def _row(queries: Sequence[Query], seen: Seen) -> tuple[Picture | None, ...]:
    held = (seen.pictures.get(query.id) for query in queries)
    return tuple(each and Picture(png=each[0], value=each[1]) for each in held)
