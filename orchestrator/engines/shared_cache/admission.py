"""Admission: caches that fit the memory side by side are let in, in the order they came."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Place:
    """Memory that one cache takes, in bytes."""

    bytes: int


class Admission:
    """The memory of all caches of an engine. Use it from one event loop.

    Args:
        most: bytes.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0
        self._waiting: deque[tuple[Place, asyncio.Future[None]]] = deque()

    async def enter(self, size: int) -> Place:
        """A place of so many bytes, at most all there are; waits for those that came before."""
        place, turn = Place(size), asyncio.get_running_loop().create_future()
        self._waiting.append((place, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(place)
            raise
        finally:
            self._admit()
        return place

    def leave(self, place: Place) -> None:
        """Give a place back."""
        self.resize(place, 0)

    def resize(self, place: Place, size: int) -> None:
        """Note that a cache takes more or less than was thought."""
        self.taken += size - place.bytes
        place.bytes = size
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            place, turn = self._waiting[0]
            if not turn.done():
                if self.taken + place.bytes > self.most:
                    return
                self.taken += place.bytes
                turn.set_result(None)
            self._waiting.popleft()
