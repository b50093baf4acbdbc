"""The journal: what was drawn once is never paid twice.

`draw` looks a key up, joins a draw of the same key already in flight, or pays: reserve, record the intent,
call, settle, record the effect. Resume is replay: the same strategies ask for the same keys and find them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

import orjson

from .budget import Ledger
from .errors import BudgetExceeded, EngineError, EngineUnavailable, JournalError
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
    """How often a call that may succeed later is sent again; the wait between doubles from `first_wait_s` seconds.

    One that would have to wait longer than `longest_wait_s`, since the engine says so, is not sent again.
    """

    most: int = 6
    first_wait_s: float = 0.25
    longest_wait_s: float = math.inf

    def wait_s(self, attempt: int, error: EngineUnavailable) -> float:
        return max(self.first_wait_s * 2.0**attempt, error.retry_after_s or 0.0)


T = TypeVar("T")
Call = Callable[[], Awaitable[tuple[bytes, Usage]]]
BatchCall = Callable[[list[int]], Awaitable[list[tuple[bytes, Usage]]]]
Found = Mapping[bytes, bytes | Exception]
"""The values at keys, or why they are lost."""
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
        self._flights: dict[bytes, asyncio.Future[Found]] = {}
        self._mark, self._attempts = os.urandom(8), itertools.count()

    async def draw(
        self, key: bytes, bound: Bound, call: Call, gate: AbstractAsyncContextManager[object], account: Ledger
    ) -> bytes:
        """The effect at `key`: found, joined, or paid for from `account` by `call` while holding `gate`.

        Raises:
            BudgetExceeded: the account cannot pay `bound`.
            EngineError: the call failed for good.
        """
        while (flight := self._flights.get(key)) is not None:
            if (joined := await _joined(flight, key)) is not None:
                return joined
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        try:
            value = (await self.store.get([key])).get(key)
            if value is None:
                value = await self._pay(key, bound, call, gate, account)
            flight.set_result({key: value})
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

    async def draw_all(
        self,
        keys: Sequence[bytes],
        bound: Usage,
        call: BatchCall,
        gate: AbstractAsyncContextManager[object],
        account: Ledger,
        *,
        leaving: Usage = Usage(),
    ) -> list[bytes | Exception]:
        """The effects at `keys`, each found, joined, or paid for by one `call` for all that are missing.

        Args:
            keys: of the effects; one that is named twice is made once.
            bound: the most that each may cost.
            call: makes those of the numbers it is given.
            gate: held while calling.
            account: pays; where it cannot pay for all, the first are made.
            leaving: what the account must still hold afterwards.

        Returns:
            each value, or why it is lost: the account cannot pay for it, or the call failed for good.
        """
        numbers: dict[bytes, int] = {}
        for number, key in enumerate(keys):
            numbers.setdefault(key, number)
        joined = {key: flight for key in numbers if (flight := self._flights.get(key)) is not None}
        mine = {key: number for key, number in numbers.items() if key not in joined}
        found = {**await self._lead(mine, bound, call, gate, account, leaving=leaving)}
        for key, flight in joined.items():

            async def one(key: bytes = key) -> tuple[bytes, Usage]:
                return (await call([numbers[key]]))[0]

            try:
                value = await _joined(flight, key)
                found[key] = await self.draw(key, bound, one, gate, account) if value is None else value
            except (BudgetExceeded, EngineError) as error:
                found[key] = error
        return [found[key] for key in keys]

    async def _lead(
        self,
        numbers: dict[bytes, int],
        bound: Usage,
        call: BatchCall,
        gate: AbstractAsyncContextManager[object],
        account: Ledger,
        *,
        leaving: Usage,
    ) -> Found:
        """The effects that nobody has in flight, by their keys and numbers; others may join them meanwhile."""
        keys = list(numbers)
        flight: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._flights |= dict.fromkeys(keys, flight)
        found: dict[bytes, bytes | Exception] = {}
        try:
            found |= await self.store.get(keys)
            if missing := [key for key in keys if key not in found]:
                found |= await self._pay_all(
                    missing, bound, lambda some: call([numbers[key] for key in some]), gate, account, leaving=leaving
                )
            flight.set_result(found)
            return found
        except asyncio.CancelledError:
            flight.cancel()
            raise
        except BaseException as error:
            flight.set_exception(error)
            flight.exception()
            raise
        finally:
            for key in keys:
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
        return await self._retried(lambda: self._attempt(key, bound, call, account), gate)

    async def _retried(self, attempt_once: Callable[[], Awaitable[T]], gate: AbstractAsyncContextManager[object]) -> T:
        for attempt in range(self.retries.most + 1):
            try:
                async with gate:
                    return await attempt_once()
            except EngineUnavailable as error:
                wait_s = self.retries.wait_s(attempt, error)
                if attempt == self.retries.most or wait_s > self.retries.longest_wait_s:
                    raise
                await asyncio.sleep(wait_s)
        raise AssertionError("unreachable")

    async def _pay_all(
        self,
        keys: list[bytes],
        bound: Usage,
        call: Callable[[list[bytes]], Awaitable[list[tuple[bytes, Usage]]]],
        gate: AbstractAsyncContextManager[object],
        account: Ledger,
        *,
        leaving: Usage,
    ) -> dict[bytes, bytes | Exception]:
        """What was made of the first of `keys` that the account could pay for; of the others, that it could not."""
        found: dict[bytes, bytes | Exception] = {}
        while rest := keys[len(found) :]:
            tried: list[bytes] = []

            async def attempt(rest: list[bytes] = rest, tried: list[bytes] = tried) -> dict[bytes, bytes]:
                return await self._attempt_all(rest, bound, call, account, tried, leaving=leaving)

            try:
                found |= await self._retried(attempt, gate)
            except BudgetExceeded as error:
                found |= dict.fromkeys(rest, error)
            except EngineError as error:
                found |= dict.fromkeys(tried, error)
        return found

    async def _attempt_all(
        self,
        keys: list[bytes],
        bound: Usage,
        call: Callable[[list[bytes]], Awaitable[list[tuple[bytes, Usage]]]],
        account: Ledger,
        tried: list[bytes],
        *,
        leaving: Usage,
    ) -> dict[bytes, bytes]:
        """What is made of the first of `keys`, which are then those that were `tried`."""
        reservation, count = await account.reserve_most(bound, len(keys), leaving)
        keys, tokens, most = keys[:count], [self._token() for _ in range(count)], _text(bound)
        tried[:] = keys
        try:
            await self.store.append(
                [("intents", (t, self.run, key, most)) for t, key in zip(tokens, keys, strict=True)]
            )
        except BaseException as error:
            reservation.release()
            if isinstance(error, asyncio.CancelledError):
                await self._record([("charges", (t, self.run, _text(Usage()))) for t in tokens])
            raise
        try:
            made = await call(keys)
        except BaseException as error:
            each = Usage() if isinstance(error, EngineUnavailable) and error.is_free else bound
            reservation.settle(each.times(count))
            await self._record([("charges", (t, self.run, _text(each))) for t in tokens])
            raise
        reservation.settle(Usage.total(usage for _, usage in made))
        rows = zip(keys, tokens, made, strict=True)
        await self._record([("effects", (key, self.run, t, value, _text(usage))) for key, t, (value, usage) in rows])
        kept = await self.store.get(keys)  # another run may have recorded some meanwhile
        return {key: kept.get(key, value) for key, (value, _) in zip(keys, made, strict=True)}

    async def _attempt(self, key: bytes, bound: Bound, call: Call, account: Ledger) -> bytes:
        most = bound if isinstance(bound, Usage) else await bound()
        reservation = await account.reserve(most)
        token = self._token()
        try:
            await self.store.append([("intents", (token, self.run, key, _text(most)))])
        except BaseException as error:
            reservation.release()
            if isinstance(error, asyncio.CancelledError):
                await self._record([("charges", (token, self.run, _text(Usage())))])
            raise
        try:
            value, usage = await call()
        except BaseException as error:
            usage = Usage() if isinstance(error, EngineUnavailable) and error.is_free else most
            reservation.settle(usage)
            await self._record([("charges", (token, self.run, _text(usage)))])
            raise
        reservation.settle(usage)
        await self._record([("effects", (key, self.run, token, value, _text(usage)))])
        return (await self.store.get([key])).get(key, value)  # another run may have recorded the key meanwhile

    def _token(self) -> bytes:
        """The name of an attempt, which no other has, in any process."""
        return self._mark + next(self._attempts).to_bytes(8, "big")

    async def _record(self, rows: list[Row]) -> None:
        """Write what happened to a call; being cancelled meanwhile does not undo it, so the rows come first."""
        try:
            await self.store.append(rows)
        except asyncio.CancelledError:
            again = asyncio.ensure_future(self.store.append(rows))
            while not again.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(again)
            raise


async def _joined(flight: asyncio.Future[Found], key: bytes) -> bytes | None:
    """The value of a draw that another has in flight; None where that was cancelled, or its account was short.

    Raises:
        EngineError: the draw failed for good.
    """
    try:
        found = (await asyncio.shield(flight))[key]
        if isinstance(found, Exception):
            raise found
        return found
    except BudgetExceeded:
        return None
    except asyncio.CancelledError:
        if not flight.cancelled() or _is_cancelled():
            raise
        return None


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@lru_cache(maxsize=1024)
def _text(usage: Usage) -> str:
    return orjson.dumps(usage.as_dict()).decode()
