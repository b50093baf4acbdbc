"""Many calls to one actor in few messages: what is asked in one turn travels together, and so do the answers.

A call through Ray costs about a millisecond of CPU, more than a small model's sample. The actor keeps a tray for each
client; the client posts batches of calls and always has one request out to collect whatever is done.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

Call = tuple[int, str, Any]
Answer = tuple[int, Any, Exception | None]


class Tray:
    """The actor's side: runs posted calls and holds their answers until they are collected."""

    def __init__(self, handlers: dict[str, Callable[[Any], Awaitable[Any]]]) -> None:
        self._handlers = handlers
        self._answers: defaultdict[str, list[Answer]] = defaultdict(list)
        self._ready: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}

    def post(self, client: str, calls: list[Call], cancelled: list[int]) -> None:
        """Start calls and cancel earlier ones."""
        for number, verb, argument in calls:
            task = asyncio.ensure_future(self._answer(client, number, verb, argument))
            self._running[client, number] = task
            task.add_done_callback(lambda _, key=(client, number): self._running.pop(key, None))  # type: ignore[misc]
        for number in cancelled:
            if (running := self._running.get((client, number))) is not None:
                running.cancel()

    async def collect(self, client: str) -> list[Answer]:
        """Every answer that waits for `client`; at least one."""
        await self._ready[client].wait()
        self._ready[client].clear()
        return self._answers.pop(client, [])

    async def _answer(self, client: str, number: int, verb: str, argument: Any) -> None:
        value, failure = None, None
        try:
            value = await self._handlers[verb](argument)
        except Exception as error:
            failure = error
        self._answers[client].append((number, value, failure))
        self._ready[client].set()


class Mailbox:
    """The client's side: one actor, any number of calls.

    Args:
        actor: a handle with the methods ``post`` and ``collect`` of a `Tray`.
        client: a name no other client of the actor has.
    """

    def __init__(self, actor: Any, client: str) -> None:
        self._actor = actor
        self._client = client
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._posting: list[Call] = []
        self._cancelling: list[int] = []
        self._is_flushing = False
        self._collector: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, verb: str, argument: Any) -> Any:
        """The answer to one call; raises what the actor raised, or Ray's error where the actor died."""
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._posting.append((number, verb, argument))
        self._flush_soon()
        try:
            return await future
        except asyncio.CancelledError:
            if self._waiting.pop(number, None) is not None:
                self._cancelling.append(number)
                self._flush_soon()
            raise

    def close(self) -> None:
        """Stop collecting."""
        if self._collector is not None:
            self._collector.cancel()

    def _flush_soon(self) -> None:
        if not self._is_flushing:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        calls, self._posting = self._posting, []
        cancelled, self._cancelling = self._cancelling, []
        self._is_flushing = False
        self._keep(self._post(calls, cancelled))
        if self._collector is None or self._collector.done():
            self._collector = asyncio.ensure_future(self._collect())

    async def _post(self, calls: list[Call], cancelled: list[int]) -> None:
        try:
            await self._actor.post.remote(self._client, calls, cancelled)
        except Exception as error:
            self._fail(error)

    async def _collect(self) -> None:
        """Collect while anything waits."""
        while self._waiting:
            try:
                answers: list[Answer] = await self._actor.collect.remote(self._client)
            except Exception as error:
                self._fail(error)
                return
            for number, value, failure in answers:
                future = self._waiting.pop(number, None)
                if future is None or future.done():
                    continue
                if failure is not None:
                    future.set_exception(failure)
                else:
                    future.set_result(value)

    def _fail(self, error: Exception) -> None:
        """Fail every waiting call: the actor lost them all."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(error)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
