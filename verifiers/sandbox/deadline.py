"""Deadlines that hold whatever keeps our event loop busy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def in_time(deadline: float, work: Callable[[], Awaitable[T]]) -> T:
    """What some work comes to by a deadline.

    If the loop stood still at the deadline, what it would have seen in time is still there, or still on its way: the
    work then has as long again as the loop was late.

    Args:
        deadline: when, by `time.monotonic`.
        work: waits for something; where it is cancelled, another call goes on from there.

    Raises:
        TimeoutError: it came to nothing.
    """
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await work()
    except TimeoutError:
        async with asyncio.timeout(time.monotonic() - deadline):
            return await work()
