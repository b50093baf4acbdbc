"""How many sandboxes run at a time in this process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import lru_cache

_IS_HELD = ContextVar("whether this task holds a slot", default=False)


class Slots:
    """A semaphore for every thread and event loop at once; first come, first served.

    Args:
        count: how many may be held at a time, from 1.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Hold a slot, waiting for one where none is free. Who holds one needs no other, and so never waits for it."""
        if _IS_HELD.get():
            yield
            return
        await self._take()
        _IS_HELD.set(True)
        try:
            yield
        finally:
            _IS_HELD.set(False)
            self._give_back()

    async def _take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            ticket: Future[None] = Future()
            self._waiting.append(ticket)
        try:
            await asyncio.wrap_future(ticket)
        except asyncio.CancelledError:
            if not ticket.cancel():  # it was handed over just now
                self._give_back()
            raise

    def _give_back(self) -> None:
        with self._lock:
            while self._waiting:
                ticket = self._waiting.popleft()
                if ticket.set_running_or_notify_cancel():
                    ticket.set_result(None)
                    return
            self._free += 1


def slots() -> Slots:
    """The slots of this process, one for each processor core it may use; a fork has its own."""
    return _slots_of(os.getpid())


@lru_cache(maxsize=1)
def _slots_of(_pid: int) -> Slots:
    return Slots(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
