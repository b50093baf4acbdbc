"""The journal behind an actor: its file stays outside Ray, on the driver's node, with one writer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from ..errors import JournalError, PonderError
from ..journal_file import JournalFile, Row

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class StoreActor:
    """Holds the journal's file and answers batches."""

    def __init__(self, path: str) -> None:
        self._file = JournalFile(path)

    async def get(self, keys: list[bytes]) -> list[bytes | None]:
        """The recorded effect at each key."""
        found = await self._file.get(keys)
        return [found.get(key) for key in keys]

    async def step(self, places: list[tuple[int, str]]) -> list[tuple[str, bytes] | None]:
        """What is recorded at each place."""
        return [await self._file.step(run, place) for run, place in places]

    async def append(self, batches: list[list[Row]]) -> list[None]:
        """Write rows; they are on disk when this returns."""
        await self._file.append([row for rows in batches for row in rows])
        return [None] * len(batches)

    async def close(self) -> None:
        """Write what is queued and close the file."""
        self._file.close()


class RemoteStore:
    """A `Store` that asks a `StoreActor`; what is asked in one turn of the event loop travels together."""

    def __init__(self, actor: Any) -> None:
        self._get: Batch[bytes, bytes | None] = Batch(lambda keys: actor.get.remote(keys))
        self._step: Batch[tuple[int, str], tuple[str, bytes] | None] = Batch(lambda places: actor.step.remote(places))
        self._append: Batch[list[Row], None] = Batch(lambda rows: actor.append.remote(rows))

    async def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The recorded effects among `keys`."""
        values = await asyncio.gather(*map(self._get.ask, keys))
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    async def step(self, run: int, place: str) -> tuple[str, bytes] | None:
        """The strategy and digest recorded at a place of a run."""
        return await self._step.ask((run, place))

    async def append(self, rows: list[Row]) -> None:
        """Write rows; they are on disk when this returns."""
        await self._append.ask(rows)


class Batch(Generic[Question, Answer]):
    """Gathers the questions of one turn of the event loop into one call.

    Args:
        send: asks many at once; the answers come in the order of the questions.
    """

    def __init__(self, send: Callable[[list[Question]], Awaitable[list[Answer]]]) -> None:
        self._send = send
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> Answer:
        """The answer to one question."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append((question, future))
        return await future

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        task = asyncio.ensure_future(self._deliver(batch))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _deliver(self, batch: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._send([question for question, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(_cause(error))
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)


def _cause(error: Exception) -> Exception:
    """Our own error where Ray wraps one."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, PonderError):
        return cause
    return error if isinstance(error, PonderError) else JournalError(f"the journal's actor must live, but: {error}")
