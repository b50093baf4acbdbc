"""The gate before an engine, which remembers how the calls that passed it fared."""

from __future__ import annotations

import asyncio
import math
import time
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
        self._began[asyncio.current_task()] = time.monotonic()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self._room.release()
        self.ended(error, time.monotonic() - self._began.pop(asyncio.current_task()))

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

    def is_at_work(self) -> bool:
        """Whether calls are in flight that take no longer than the engine's calls may, as those before them did."""
        oldest = next(iter(self._began.values()), -math.inf)
        return time.monotonic() - max(oldest, self._well_at) <= PATIENCE * self._slowest_s and self.in_flight > 0

    def is_up(self, fresh_s: float) -> bool:
        """Whether nothing of the last `fresh_s` seconds speaks against the engine.

        Against it speaks that a call went ill and none went well, or that calls are in flight of which none has ended
        for so long, unless their like took as long before.
        """
        now = time.monotonic()
        if now - self._well_at <= fresh_s:
            return True
        oldest = next(iter(self._began.values()), now)
        is_stuck = now - max(oldest, self._well_at, self._ill_at) > fresh_s and not self.is_at_work()
        return not is_stuck and now - self._ill_at > fresh_s
