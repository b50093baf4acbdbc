"""The journal: what was drawn once is never paid twice.

`draw` looks a key up, joins a draw of the same key already in flight, or pays: reserve, record the intent,
call, settle, record the effect. Resume is replay: the same strategies ask for the same keys and find them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import orjson

from .budget import Ledger
from .errors import BudgetExceeded, EngineUnavailable, JournalError
from .journal_file import Row
from .types import Usage


class Store(Protocol):
    """Where a journal keeps its rows: `JournalFile`, `Memory`, or a file behind an actor."""

    async def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]: ...

    async def step(self, run: int, place: str) -> tuple[str, bytes] | None: ...

    async def append(self, rows: list[Row]) -> None: ...


class Memory:
    """A store that lives as long as the process: for runs that nobody will resume."""

    def __init__(self) -> None:
        self._effects: dict[bytes, bytes] = {}

    async def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        return {key: self._effects[key] for key in keys if key in self._effects}

    async def step(self, run: int, place: str) -> tuple[str, bytes] | None:
        return None

    async def append(self, rows: list[Row]) -> None:
        for table, values in rows:
            if table == "effects":
                # a copy is as long as it must be: orjson leaves up to four kilobytes of slack behind a value
                self._effects[values[0]] = memoryview(values[3]).tobytes()


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call that may succeed later is sent again; the wait between doubles from `first_wait_s` seconds."""

    most: int = 6
    first_wait_s: float = 0.25

    def wait_s(self, attempt: int, error: EngineUnavailable) -> float:
        return max(self.first_wait_s * 2.0**attempt, error.retry_after_s or 0.0)


Call = Callable[[], Awaitable[tuple[bytes, Usage]]]
Bound = Usage | Callable[[], Awaitable[Usage]]
"""The most that a call may cost; a function is asked before each attempt."""


class Journal:
    """One run's view of a store.

    Args:
        store: where rows are kept.
        run: the run's number in the store.
        retries: how calls that fail for a time are sent again; each attempt reserves anew.
    """

    def __init__(self, store: Store, run: int = 0, retries: Retries = Retries()) -> None:
        self.store = store
        self.run = run
        self.retries = retries
        self._flights: dict[bytes, asyncio.Future[bytes]] = {}

    async def draw(
        self, key: bytes, bound: Bound, call: Call, gate: AbstractAsyncContextManager[object], account: Ledger
    ) -> bytes:
        """The effect at `key`: found, joined, or paid for from `account` by `call` while holding `gate`.

        Raises:
            BudgetExceeded: the account cannot pay `bound`.
            EngineError: the call failed for good.
        """
        while (flight := self._flights.get(key)) is not None:
            try:
                return await asyncio.shield(flight)
            except BudgetExceeded:
                continue  # it was the other's account that was short
            except asyncio.CancelledError:
                if not flight.cancelled() or _is_cancelled():
                    raise
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        try:
            value = (await self.store.get([key])).get(key)
            if value is None:
                value = await self._pay(key, bound, call, gate, account)
            flight.set_result(value)
            return value
        except asyncio.CancelledError:
            flight.cancel()
            raise
        except BaseException as error:
            flight.set_exception(error)
            flight.exception()
            raise
        finally:
            del self._flights[key]

    async def check(self, place: str, strategy: str, digest: bytes) -> None:
        """Record what `strategy` asks for at a place of its run, or check that it asks the same again.

        Raises:
            JournalError: the replay has left the recorded path.
        """
        found = await self.store.step(self.run, place)
        if found is None:
            await self.store.append([("steps", (self.run, place, strategy, digest))])
        elif tuple(found) != (strategy, digest):
            raise JournalError(
                f"strategy {strategy!r} must ask at {place} what it asked when it was recorded (by {found[0]!r}), "
                "but it asks for something else; make it deterministic given ctx, or start a new journal"
            )

    async def finish(self, task: str, value: bytes) -> None:
        """Record the result of a whole task."""
        await self.store.append([("results", (self.run, task, value))])

    async def _pay(
        self, key: bytes, bound: Bound, call: Call, gate: AbstractAsyncContextManager[object], account: Ledger
    ) -> bytes:
        for attempt in range(self.retries.most + 1):
            try:
                async with gate:
                    return await self._attempt(key, bound, call, account)
            except EngineUnavailable as error:
                if attempt == self.retries.most:
                    raise
                await asyncio.sleep(self.retries.wait_s(attempt, error))
        raise AssertionError("unreachable")

    async def _attempt(self, key: bytes, bound: Bound, call: Call, account: Ledger) -> bytes:
        most = bound if isinstance(bound, Usage) else await bound()
        reservation = await account.reserve(most)
        token = os.urandom(8)
        try:
            await self.store.append([("intents", (token, self.run, key, _text(most)))])
        except BaseException as error:
            reservation.release()
            if isinstance(error, asyncio.CancelledError):
                await self._record("charges", (token, self.run, _text(Usage())))
            raise
        try:
            value, usage = await call()
        except BaseException as error:
            usage = Usage() if isinstance(error, EngineUnavailable) and error.is_free else most
            reservation.settle(usage)
            await self._record("charges", (token, self.run, _text(usage)))
            raise
        reservation.settle(usage)
        await self._record("effects", (key, self.run, token, value, _text(usage)))
        return (await self.store.get([key])).get(key, value)  # another run may have recorded the key meanwhile

    async def _record(self, table: str, row: tuple[object, ...]) -> None:
        """Write what happened to a call; being cancelled meanwhile does not undo it, so the row comes first."""
        try:
            await self.store.append([(table, row)])
        except asyncio.CancelledError:
            again = asyncio.ensure_future(self.store.append([(table, row)]))
            while not again.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(again)
            raise


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _text(usage: Usage) -> str:
    return orjson.dumps(usage.as_dict()).decode()
