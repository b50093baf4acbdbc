"""The evidence: what every composition gave on every item in every replicate."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..problem import Floats, Row


class Evidence:
    """All rows of a search as one table, with gaps where nothing was measured.

    Args:
        items: development items of the problem.
    """

    def __init__(self, items: int) -> None:
        self.items = items
        self._values: dict[int, dict[int, Floats]] = {}
        self._costs: dict[int, dict[int, Floats]] = {}

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows; a later value of the same composition, item and replicate replaces an earlier one."""
        for row in rows:
            for table, found in ((self._values, row.values), (self._costs, row.costs)):
                kept = table.setdefault(row.composition, {})
                kept.setdefault(row.replicate, np.full(self.items, np.nan))[row.items] = found

    @property
    def compositions(self) -> list[int]:
        """The numbers of all that were measured, rising."""
        return sorted(self._values)

    def replicates(self, composition: int) -> list[int]:
        """The replicates in which a composition was measured, rising."""
        return sorted(self._values.get(composition, {}))

    def without(self, replicate: int) -> Evidence:
        """The same but for one replicate."""
        other = Evidence(self.items)
        for kept, table in ((other._values, self._values), (other._costs, self._costs)):
            for number, rows in table.items():
                if left := {each: row for each, row in rows.items() if each != replicate}:
                    kept[number] = left
        return other

    def values(self, composition: int) -> Floats:
        """One value an item: the mean over replicates, NaN where there is none."""
        return _mean(self._values.get(composition, {}), self.items)

    def costs(self, composition: int) -> Floats:
        """The cost of a fresh run on each item, NaN where it is not known."""
        return _mean(self._costs.get(composition, {}), self.items)

    def replicated(self, composition: int) -> Floats:
        """The values, one row a replicate in the order of `replicates`, NaN where there is none."""
        return np.array([self._values[composition][r] for r in self.replicates(composition)]).reshape(-1, self.items)


def _mean(by_replicate: dict[int, Floats], items: int) -> Floats:
    if not by_replicate:
        return np.full(items, np.nan)
    stacked = np.array([by_replicate[r] for r in sorted(by_replicate)])
    known = np.count_nonzero(~np.isnan(stacked), axis=0)
    mean: Floats = np.where(known > 0, np.nansum(stacked, axis=0), np.nan) / np.maximum(known, 1)
    return mean
