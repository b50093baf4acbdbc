"""Many calls to one actor in few messages: what is asked in one turn travels together, and so do the answers.

A call through Ray costs about a millisecond of CPU, more than a small model's sample. The actor keeps a tray for each
client; the client posts batches of calls and always has one request out to collect whatever is done. What calls tell
before they end travels with it, gathered for a moment where nothing has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

GATHER_S = 0.02
"""Seconds for which what a call tells waits for more, or for an answer, to travel with."""
Tell = Callable[[Any], None]
Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a client; one that is watched tells its progress."""

    number: int
    verb: str
    argument: Any
    is_watched: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave: its value or its failure, or, before that, something it tells."""

    number: int
    value: Any = None
    failure: Exception | None = None
    is_end: bool = True


class _Held:
    """What waits for one client."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.is_any = asyncio.Event()
        self.is_end = asyncio.Event()

    def put(self, answer: Answer) -> None:
        self.answers.append(answer)
        self.is_any.set()
        if answer.is_end:
            self.is_end.set()


class Tray:
    """The actor's side: runs posted calls and holds their answers until they are collected.

    Args:
        handlers: by verb; each takes an argument and, where the call is watched, what to tell its progress to.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._held: defaultdict[str, _Held] = defaultdict(_Held)
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}

    def post(self, client: str, calls: list[Call], cancelled: list[int]) -> None:
        """Start calls and cancel earlier ones."""
        for call in calls:
            task = self._running[client, call.number] = asyncio.ensure_future(self._answer(client, call))
            task.add_done_callback(lambda _, key=(client, call.number): self._running.pop(key, None))  # type: ignore[misc]
        for number in cancelled:
            if (running := self._running.get((client, number))) is not None:
                running.cancel()

    async def collect(self, client: str) -> list[Answer]:
        """Every answer that waits for `client`; at least one."""
        held = self._held[client]
        await held.is_any.wait()
        if not held.is_end.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER_S):
                    await held.is_end.wait()
        answers, held.answers = held.answers, []
        held.is_any.clear()
        held.is_end.clear()
        return answers

    async def _answer(self, client: str, call: Call) -> None:
        held = self._held[client]

        def tell(value: Any) -> None:
            held.put(Answer(call.number, value, is_end=False))

        handler = self._handlers[call.verb]
        try:
            value = await (handler(call.argument, tell) if call.is_watched else handler(call.argument))
        except Exception as error:
            held.put(Answer(call.number, failure=error))
        else:
            held.put(Answer(call.number, value))


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
        self._watching: dict[int, Tell] = {}
        self._posting: list[Call] = []
        self._cancelling: list[int] = []
        self._is_flushing = False
        self._collector: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, verb: str, argument: Any, watch: Tell | None = None) -> Any:
        """The answer to one call; raises what the actor raised, or Ray's error where the actor died.

        Args:
            verb: names the handler.
            argument: what it takes.
            watch: hears what the handler tells before it ends.
        """
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        if watch is not None:
            self._watching[number] = watch
        self._posting.append(Call(number, verb, argument, watch is not None))
        self._flush_soon()
        try:
            return await future
        except asyncio.CancelledError:
            if self._waiting.pop(number, None) is not None:
                self._cancelling.append(number)
                self._flush_soon()
            raise
        finally:
            self._watching.pop(number, None)

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
            for answer in answers:
                self._take(answer)

    def _take(self, answer: Answer) -> None:
        if not answer.is_end:
            if (watch := self._watching.get(answer.number)) is not None:
                watch(answer.value)
            return
        future = self._waiting.pop(answer.number, None)
        if future is None or future.done():
            return
        if answer.failure is not None:
            future.set_exception(answer.failure)
        else:
            future.set_result(answer.value)

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
