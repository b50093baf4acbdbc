"""The gate before an engine, which remembers how the calls that passed it fared."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType

from ..engine import Engine
from ..errors import EngineUnavailable, PonderError

PATIENCE = 2.0
"""An engine at work is given so many times what its slowest call took before it counts as stuck."""


class Pulse:
    """Holds back what is more than `most` calls at once, as a semaphore does, and remembers how calls ended.

    Only what tells of the engine counts: a call that failed since the engine was away, or crashed, went ill; one that
    was cancelled, refused or never paid for says nothing of it.

    Args:
        name: what the engine is called: by its pipeline, with a number where others are called the same.
        engine: what is called.
        most: calls in flight.
    """

    def __init__(self, name: str, engine: Engine, most: int) -> None:
        self.name = name
        self.engine = engine
        self._room = asyncio.Semaphore(most)
        self._began: dict[asyncio.Task[object] | None, float] = {}
        self._well_at = self._ill_at = -math.inf
        self._slowest_s = 0.0

    async def __aenter__(self) -> None:
        await self._room.acquire()
        self._begin()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self._room.release()
        self._end(error)

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """For a call that need not wait, since it goes on with what the engine holds already."""
        self._begin()
        try:
            yield
        except BaseException as error:
            self._end(error)
            raise
        self._end(None)

    @property
    def in_flight(self) -> int:
        """Calls that passed the gate and have not ended."""
        return len(self._began)

    def ended(self, error: BaseException | None, seconds: float) -> None:
        """Remember how a call ended that took so long."""
        if error is None:
            self._well_at = time.monotonic()
            self._slowest_s = max(self._slowest_s, seconds)
        elif isinstance(error, EngineUnavailable) or not isinstance(error, PonderError | asyncio.CancelledError):
            self._ill_at = time.monotonic()

    def is_fresh(self, fresh_s: float) -> bool:
        """Whether a call ended well in the last `fresh_s` seconds."""
        return time.monotonic() - self._well_at <= fresh_s

    def is_up(self, fresh_s: float) -> bool:
        """Whether a call went well in the last `fresh_s` seconds, or none went ill."""
        return self.is_fresh(fresh_s) or time.monotonic() - self._ill_at > fresh_s

    def is_at_work(self, least_s: float = 0.0) -> bool:
        """Whether calls are in flight that take no longer than they may: `least_s`, or as long as those before did."""
        if not self._began:
            return False
        oldest = next(iter(self._began.values()))
        return time.monotonic() - max(oldest, self._well_at, self._ill_at) <= max(least_s, PATIENCE * self._slowest_s)

    def _begin(self) -> None:
        self._began[asyncio.current_task()] = time.monotonic()

    def _end(self, error: BaseException | None) -> None:
        self.ended(error, time.monotonic() - self._began.pop(asyncio.current_task()))
