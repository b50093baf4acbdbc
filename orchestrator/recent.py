"""What was made lately, kept for those who need the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Values made of something, by what it is and by what else they depend on.

    Args:
        most: how many are kept; the one that was not asked for the longest is let go of first.

    >>> recent, source = Recent[str](most=2), object()
    >>> [recent.get(source, key, lambda: f"made {at}") for at, key in enumerate("abacba")]
    ['made 0', 'made 1', 'made 0', 'made 3', 'made 4', 'made 5']
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[object, V]] = OrderedDict()

    def get(self, source: object, more: Hashable, make: Callable[[], V]) -> V:
        """The value made of just this `source` and what equals `more`; made where it is not kept."""
        key = (id(source), more)  # a source that is kept keeps its number
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][1]
        value = make()
        self._kept[key] = source, value
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return value
