"""The runs: how many there may be, who waits for each, and how each ends when clients leave or the server closes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from ..runtime import Done
from .bill import ending
from .directory import Alone, Directory, Place
from .refusal import unavailable
from .trace import Trace

if TYPE_CHECKING:
    from starlette.types import Receive

Fingerprint = tuple[str, ...]
State = Literal["waiting", "running", "done", "failed", "cancelled"]
MOST_RUNS = 1024
KEPT_S = 300.0
MOST_KEPT = 1024
PATIENCE_S = 30.0
END_S = 2.0
GRACE_S = 0.75
"""Seconds in which a client that left may come back: the OpenAI SDK sends a request again after half a second."""


class ClientGone(Exception):
    """The client has left; nobody waits for an answer."""


@dataclass(eq=False, slots=True)
class Work:
    """A run in flight, or one that lately ended.

    Args:
        id: of the request that began it.
        owner: the name of the key it came with.
        model: what answers.
        fingerprint: what a request that is sent again has in common with the first.
        job: what is run; let go of, as is the task, once nobody can get an answer of it any more.
        trace: how it goes.
        created: seconds since the epoch.
        ended: likewise; None while it is in flight.
        ending: once it has ended, why, and how much of it was lost.
        is_elsewhere: whether another replica runs it, and what is known of it here is that it is awaited.
        deadline: when it is cancelled, since its last client has left.
    """

    id: str
    owner: str
    model: str
    fingerprint: Fingerprint
    job: Any
    trace: Trace
    created: float = field(default_factory=time.time)
    ended: float | None = None
    state: State = "waiting"
    ending: Mapping[str, Any] = field(default_factory=dict)
    task: asyncio.Task[Done] | None = None
    clients: int = 0
    is_elsewhere: bool = False
    deadline: asyncio.TimerHandle | None = None

    async def outcome(self) -> Done:
        """What it returns, once it has.

        Raises:
            Refusal: the server ended it to close.
        """
        task = self.task
        assert task is not None
        await asyncio.wait([task])
        if task.cancelled():
            raise unavailable("the server closed before this request was done; try again", "closing")
        return task.result()


class Runs:
    """The runs in flight, and for five minutes what is known of those that ended.

    Args:
        at_once: how many may run side by side.
        waiting: how many may wait for their turn besides, for half a minute each.
        ended: told of each run that has ended.
        directory: where replicas find each other's runs.
    """

    def __init__(
        self,
        at_once: int,
        waiting: int = 0,
        ended: Callable[[Work], None] = lambda work: None,
        directory: Directory = Alone(),
    ) -> None:
        self._at_once, self._waiting, self._told = at_once, waiting, ended
        self.directory = directory
        self._places = asyncio.Semaphore(at_once)
        self._works: dict[str, Work] = {}
        self._attachable: dict[Fingerprint, list[Work]] = {}
        self._in_flight: set[Work] = set()
        self._ended: deque[Work] = deque()
        self.is_closing = False

    def __len__(self) -> int:
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(work.state == "waiting" for work in self._in_flight)

    def find(self, id: str, owner: str) -> Work | None:
        """The run of that id, where it is the owner's."""
        work = self._works.get(id)
        return work if work is not None and work.owner == owner else None

    def again(self, fingerprint: Fingerprint) -> Work | None:
        """The run that the same request began, unless it failed or its answer has arrived.

        Of several, which clients began that ask the same at once, it is the first that its own client has left.
        """
        works = self._attachable.get(fingerprint, [])
        return next((work for work in works if not work.clients), works[-1] if works else None)

    def announce(self, work: Work | None = None) -> None:
        """Let other replicas find a run, or all that a request sent again may attach to."""
        for each in chain(*self._attachable.values()) if work is None else [work]:
            if not each.is_elsewhere:
                self.directory.began(each.fingerprint, Place(each.id, each.job.seed))

    def start(self, work: Work, run: Callable[[], Coroutine[Any, Any, Done]]) -> None:
        """Start a run; it goes on while it has clients.

        Raises:
            Refusal: the server is closing, or has as many runs as it may.
        """
        if self.is_closing:
            raise unavailable("the server is closing; try again", "closing")
        if len(self._in_flight) >= self._at_once + self._waiting:
            raise self._too_many()
        work.task = asyncio.create_task(run())
        self._works[work.id] = work
        self._attachable.setdefault(work.fingerprint, []).append(work)
        self._in_flight.add(work)
        self.announce(work)
        work.task.add_done_callback(lambda task: self._end(work, task))

    @contextmanager
    def attended(self, work: Work, grace_s: float = GRACE_S) -> Iterator[None]:
        """A client waits for a run. When the last one leaves, the run is cancelled unless another comes in time."""
        work.clients += 1
        if work.deadline is not None:
            work.deadline.cancel()
        try:
            yield
        except BaseException:
            if work.clients == 1 and work.ended is None:
                work.deadline = asyncio.get_running_loop().call_later(grace_s, _cancel, work)
            raise
        else:
            self._detach(work)  # nobody will ask again for an answer that has arrived
        finally:
            work.clients -= 1
            self._let_go(work)

    def close(self) -> None:
        """Take no new runs; those in flight go on."""
        self.is_closing = True

    def cancel(self) -> None:
        """End the runs in flight, each with a refusal to its clients."""
        self.close()
        for work in self._in_flight:
            _cancel(work)

    async def end(self, within_s: float = END_S) -> None:
        """End the runs in flight, and wait until they have paid, so many seconds at most."""
        self.cancel()
        if tasks := [work.task for work in self._in_flight if work.task is not None]:
            await asyncio.wait(tasks, timeout=within_s)

    @asynccontextmanager
    async def turn(self, work: Work) -> AsyncIterator[None]:
        """A place among those that run side by side, once one is free.

        Raises:
            Refusal: none was in half a minute.
        """
        try:
            async with asyncio.timeout(PATIENCE_S if self._places.locked() else None):
                await self._places.acquire()
        except TimeoutError:
            raise self._too_many() from None
        try:
            work.state = "running"
            yield
        finally:
            self._places.release()

    def _too_many(self) -> Exception:
        message = f"at most {self._at_once} requests may run at once; try again later"
        return unavailable(message, "too_many_requests", status=429)

    def _end(self, work: Work, task: asyncio.Task[Done]) -> None:
        work.state = "cancelled" if task.cancelled() else "failed" if task.exception() else "done"
        work.ended = time.time()
        work.trace.close()
        self._told(work)
        self._in_flight.discard(work)
        if work.state == "done":
            result = task.result().result
            work.ending = {**ending(result), "failures": result.failures}
        else:
            self._detach(work)
        self._ended.append(work)
        self._let_go(work)
        self._forget()

    def _let_go(self, work: Work) -> None:
        """Keep the figures alone of a run that has ended, where nobody waits for it or can attach to it any more."""
        if work.ended is not None and not work.clients and work not in self._attachable.get(work.fingerprint, ()):
            work.job = work.task = None

    def _detach(self, work: Work) -> None:
        works = self._attachable.get(work.fingerprint, [])
        if work in works:
            works.remove(work)
            if not works:
                del self._attachable[work.fingerprint]
            if not work.is_elsewhere:
                self.directory.left(work.fingerprint, work.id)

    def _forget(self) -> None:
        """Let go of runs that ended long ago, and of the oldest where there are too many."""
        old = time.time() - KEPT_S
        while self._ended and ((self._ended[0].ended or 0.0) < old or len(self._ended) > MOST_KEPT):
            gone = self._ended.popleft()
            self._works.pop(gone.id, None)
            self._detach(gone)


async def attend(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Do `work` for a client while it is there.

    Raises:
        ClientGone: it left; the work was cancelled.
    """
    doing, leaving = asyncio.current_task(), asyncio.create_task(_left(receive))
    assert doing is not None

    def stop(_: object) -> None:
        doing.cancel()

    leaving.add_done_callback(stop)
    try:
        await work
    except asyncio.CancelledError:
        if leaving.done() and not doing.uncancel():
            raise ClientGone from None
        raise
    finally:
        leaving.remove_done_callback(stop)
        leaving.cancel()


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task if it still runs, and wait until it has stopped."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


def _cancel(work: Work) -> None:
    if work.task is not None:
        work.task.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
