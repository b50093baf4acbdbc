"""What verifiers that judge the same candidates share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from .budget import Reservation
from .effects import covers
from .engine import Completion, Reading
from .types import Usage

D = TypeVar("D", Reading, Completion)


class Fund:
    """What verifiers that judge the same candidates share: the room set aside with these, what was told already, and
    whether a part was lost.

    Args:
        held: the room.
    """

    def __init__(self, held: Sequence[Reservation]) -> None:
        self._held = Reservation.joined(held)
        self._told: set[bytes] = set()
        self.is_failed = False

    def part(self, bound: Usage) -> Reservation | None:
        """So much of the room; None, and all of it given back, where it does not cover that."""
        if self._held is not None and covers(self._held.bound, bound):
            return self._held.split(bound)
        self.release()  # set aside by another tokenizer's count
        return None

    def once(self, key: bytes, judgement: D | None) -> D | None:
        """The judgement at `key`, which cost something only where it is told for the first time."""
        return judgement and replace(judgement, usage=self.first(key, judgement.usage))

    def first(self, key: bytes, cost: Usage) -> Usage:
        """The cost of what is told at `key`: nothing where it was told before."""
        if key in self._told:
            return Usage()
        self._told.add(key)
        return cost

    def release(self) -> None:
        """Give back what is left."""
        if self._held is not None:
            self._held.release()
            self._held = None
