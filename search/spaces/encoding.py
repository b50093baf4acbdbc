"""Points as rows of numbers, for surrogates: ordered domains from 0 to 1, others one-hot, and what a point has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..problem import Floats, Indices
from .domains import Domain, Scalar
from .walking import Axis

Choices = Mapping[str, Scalar]


class Encoding:
    """The columns of a space.

    Args:
        axes: the domains by key, in the order of the columns; those of a single value have none.
    """

    def __init__(self, axes: Mapping[str, Axis]) -> None:
        self._axes = {key: axis for key, axis in axes.items() if len(axis.domain.labels) > 1}
        self._first: dict[str, int] = {}
        self._scales: dict[str, list[float]] = {}
        columns: list[str] = []
        for key, axis in self._axes.items():
            self._first[key] = len(columns)
            if axis.domain.is_ordered:
                self._scales[key] = axis.domain.scale()
                columns.append(key)
            else:
                columns += [f"{key}={label}" for label in axis.domain.labels]
            columns += [f"has {key}"] if axis.is_conditional else []
        self.columns = tuple(columns)
        """What each column is: a key, a key and one of its values, or whether there is that key."""

    def encode(self, points: Sequence[Choices]) -> Floats:
        """One row a point; 0 in every column of what a point does not have."""
        rows = np.zeros((len(points), len(self.columns)))
        for row, choices in zip(rows, points, strict=True):
            for key, label in choices.items():
                if key in self._axes:
                    self._mark(row, key, label)
        return rows

    def _mark(self, row: Floats, key: str, label: Scalar) -> None:
        domain, first = self._axes[key].domain, self._first[key]
        place = domain.place(label)
        if domain.is_ordered:
            row[first] = self._scales[key][place]
        else:
            row[first + place] = 1.0
        if self._axes[key].is_conditional:
            row[first + self._width(key)] = 1.0

    def _width(self, key: str) -> int:
        domain = self._axes[key].domain
        return 1 if domain.is_ordered else len(domain.labels)

    def nearest(self, row: Floats, key: str, domain: Domain) -> int:
        """The place of the value of a domain that a row comes closest to, also where the row is no point's."""
        if key not in self._axes:
            return 0
        first = self._first[key]
        if domain.is_ordered:
            return int(np.abs(np.array(self._scales[key]) - row[first]).argmin())
        return int(row[first : first + len(domain.labels)].argmax())

    def families(self, points: Sequence[Choices]) -> Indices:
        """One number a point: the same where points differ in ordered knobs alone, as they first appear."""
        seen: dict[tuple[tuple[str, str], ...], int] = {}
        numbers = []
        for choices in points:
            unordered = {key: label for key, label in choices.items() if key in self._axes}
            family = tuple(sorted((k, repr(v)) for k, v in unordered.items() if not self._axes[k].domain.is_ordered))
            numbers.append(seen.setdefault(family, len(seen)))
        return np.array(numbers, dtype=np.intp)
