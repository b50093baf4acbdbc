"""The trials of one search at one budget in one cell, together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ponder.orchestrator.intervals import Comparison, Interval, bootstrap, compare

from .plan import Cell


@dataclass(frozen=True, slots=True)
class Runs:
    """What a search at a budget did in a cell, one value a seed, in the order of the seeds."""

    cell: Cell
    method: str
    budget: str
    records: tuple[Mapping[str, Any], ...]

    @property
    def regrets(self) -> list[float]:
        return [record["regret"] for record in self.records]

    @property
    def regret(self) -> Interval:
        """The mean regret in points, with its interval over seeds."""
        return bootstrap(self.regrets)

    @property
    def calls(self) -> float:
        """The median number of calls."""
        return float(np.median([record["calls"] for record in self.records]))

    def less(self, other: Runs) -> Comparison:
        """This regret less another, seed by seed."""
        return compare(self.regrets, other.regrets)


class Table:
    """All records, found by cell, method and budget."""

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        grouped: dict[tuple[Cell, str, str], list[Mapping[str, Any]]] = {}
        for record in records:
            grouped.setdefault((Cell(**record["cell"]), record["method"], record["budget"]), []).append(record)
        self._runs = {
            key: Runs(*key, tuple(sorted(found, key=lambda each: int(each["seed"])))) for key, found in grouped.items()
        }

    def __iter__(self) -> Iterator[Runs]:
        return iter(self._runs.values())

    def at(self, cell: Cell, method: str, budget: str) -> Runs:
        """The runs of one search at one budget in one cell."""
        return self._runs[cell, method, budget]

    def cells(self, kind: str, items: int) -> list[Cell]:
        """The cells of a kind of world with so many development items, by level, then world."""
        found = {runs.cell for runs in self if runs.cell.kind == kind and runs.cell.items == items}
        return sorted(found, key=lambda cell: (cell.level, cell.world))

    def methods(self, cell: Cell) -> list[tuple[str, str]]:
        """Each search and budget that was tried in a cell, in the order they were planned."""
        return [(runs.method, runs.budget) for runs in self if runs.cell == cell]
