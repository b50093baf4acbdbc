"""The runs in flight: how many there may be, and how each ends when its client leaves or the server closes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from .refusal import unavailable

if TYPE_CHECKING:
    from starlette.types import Receive

T = TypeVar("T")


class ClientGone(Exception):
    """The client has left; nobody waits for an answer."""


class Runs:
    """The runs in flight.

    Args:
        most: how many there may be at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[Any]] = set()
        self.is_closing = False

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a run; whoever starts it also ends it.

        Raises:
            Refusal: the server is closing, or has as many runs as it may.
        """
        if self.is_closing or len(self._tasks) >= self._most:
            work.close()
            if self.is_closing:
                raise unavailable("the server is closing; try again", "closing")
            message = f"at most {self._most} requests may run at once; try again later"
            raise unavailable(message, "too_many_requests", status=429)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def outcome(self, task: asyncio.Task[T]) -> T:
        """What a finished run returned.

        Raises:
            Refusal: the server ended it to close.
        """
        if task.cancelled():
            raise unavailable("the server closed before this request was done; try again", "closing")
        return task.result()

    def close(self) -> None:
        """Take no new runs; those in flight go on."""
        self.is_closing = True

    def cancel(self) -> None:
        """End the runs in flight, each with a refusal to its client."""
        self.close()
        for task in self._tasks:
            task.cancel()


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task if it still runs, and wait until it has stopped."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


async def attend(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Do `work` for a client while it is there.

    Raises:
        ClientGone: it left; the work was cancelled.
    """
    doing, leaving = asyncio.create_task(work), asyncio.create_task(_left(receive))
    try:
        await asyncio.wait([doing, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientGone
        doing.result()
    finally:
        await end(doing)
        await end(leaving)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
