"""Batching: all rows that wait are computed in one pass, in a thread of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from torch import Tensor

from ...errors import EngineError, EngineUnavailable
from .decoder import SharedDecoder
from .row import Row

T = TypeVar("T")
MOST_TOKENS = 2048
"""Tokens of one pass, where several wait."""


class Computes(Protocol):
    """What computes rows."""

    async def compute(self, rows: Sequence[Row], then: Callable[[Tensor], T]) -> T:
        """What `then` makes of the logits of the rows that predict."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one slab that are computed in one pass.

    Args:
        rows: of the slab; none predicts, or the last do.
        then: makes of their logits what is wanted; called in the thread.
        done: told that.
    """

    rows: Sequence[Row]
    then: Callable[[Tensor], Any]
    done: asyncio.Future[Any]

    @property
    def tokens(self) -> int:
        return sum(len(row.tokens) for row in self.rows)


class Batcher:
    """Computes the rows that wait, whosever they are, in one pass after the other. Use it from one event loop.

    What a row gives depends on its own slab alone, but for rounding: a pass of another size may round otherwise.

    Args:
        decoder: computes.
        thread: of one thread, where it does.
    """

    def __init__(self, decoder: SharedDecoder, thread: ThreadPoolExecutor) -> None:
        self._decoder = decoder
        self._thread = thread
        self._waiting: deque[Part] = deque()
        self._working: asyncio.Task[None] | None = None
        self._is_closed = False

    async def compute(self, rows: Sequence[Row], then: Callable[[Tensor], T]) -> T:
        """What `then` makes of the logits of the rows that predict; cancelling the call takes the rows out.

        Raises:
            EngineUnavailable: the pass failed, or the engine was closed.
        """
        if self._is_closed:
            raise _closed()
        loop = asyncio.get_running_loop()
        part = Part(rows, then, loop.create_future())
        self._waiting.append(part)
        if self._working is None or self._working.done():
            self._working = loop.create_task(self._work())
        found: T = await part.done
        return found

    async def close(self) -> None:
        """Refuse what waits, and end with the pass that is being computed."""
        self._is_closed = True
        while self._waiting:
            if not (done := self._waiting.popleft().done).done():
                done.set_exception(_closed())
        if self._working is not None:
            await asyncio.wait((self._working,))

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while parts := self._next():
            try:
                results = await loop.run_in_executor(self._thread, self._computed, parts)
            except Exception as error:
                results = [_explained(error)] * len(parts)
            for part, result in zip(parts, results, strict=True):
                if part.done.done():
                    continue
                if isinstance(result, Exception):
                    part.done.set_exception(result)
                else:
                    part.done.set_result(result)
            await asyncio.sleep(0)  # who was answered asks for the next pass before it begins

    def _next(self) -> list[Part]:
        """The parts of the next pass, in the order they came."""
        parts: list[Part] = []
        tokens = 0
        while self._waiting and (not parts or tokens + self._waiting[0].tokens <= MOST_TOKENS):
            part = self._waiting.popleft()
            if not part.done.done():
                parts.append(part)
                tokens += part.tokens
        return parts

    def _computed(self, parts: Sequence[Part]) -> list[Any]:
        """What each part wanted, or the error that it alone met."""
        logits = self._decoder.forward([row for part in parts for row in part.rows])
        results: list[Any] = []
        first = 0
        for part in parts:
            last = first + sum(row.predicts for row in part.rows)
            try:
                results.append(part.then(logits[first:last]))
            except Exception as error:
                results.append(error if isinstance(error, EngineError) else _explained(error))
            first = last
        return results


def _explained(error: Exception) -> EngineUnavailable:
    told = " ".join(str(error).split())[:300]
    return EngineUnavailable(f"a pass must be computed, but torch failed ({type(error).__name__}: {told}); try again")


def _closed() -> EngineUnavailable:
    return EngineUnavailable("the engine must be open to compute, but was closed")
