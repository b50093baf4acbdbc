"""Effects that are made many at once: one call, in which each is paid for, recorded and lost by itself.

A denoiser and a reward model of images cost little for each row of a large batch and much for a small one; a strategy
asks for all that it wants at a time. Parts that the journal holds are not made again, a run is charged once for parts
that are the same, and where the budget ends, the first parts are served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from .budget import Reservation
from .draw import Attempts
from .effects import Effects, cancel, covers
from .errors import BudgetExceeded, EngineRefused
from .types import Usage


class Costed(Protocol):
    """What a part gives: it says what it cost."""

    @property
    def usage(self) -> Usage: ...


C = TypeVar("C", bound=Costed)


def _nothing(bound: Usage) -> Reservation | None:
    return None


def _kept_for_nothing(numbers: Sequence[int], held: Reservation) -> None:
    held.release()


@dataclass(frozen=True, slots=True)
class Batch(Generic[C]):
    """Some parts of one kind, to be made by one engine.

    Args:
        engine: its name.
        keys: of the parts.
        bound: the most that a part costs.
        make: makes parts by their numbers.
        write: the record of a part.
        read: what a record says.
        size: most parts in one call.
        rest: set aside with each part for what comes after.
        leaving: what the budget must still hold afterwards.
        keep: told the numbers of parts that were made, and the room kept for what comes after them, which they share.
        set_aside: room that was set aside for so much; None where there is none.
    """

    engine: str
    keys: Sequence[bytes]
    bound: Usage
    make: Callable[[list[int]], Awaitable[Sequence[C]]]
    write: Callable[[C], bytes]
    read: Callable[[bytes], C]
    size: int
    rest: Usage = Usage()
    leaving: Usage = Usage()
    keep: Callable[[Sequence[int], Reservation], None] = _kept_for_nothing
    set_aside: Callable[[Usage], Reservation | None] = _nothing


async def made(effects: Effects, batch: Batch[C]) -> list[C | None]:
    """Each part of a batch, in order; None for what is lost, which is noted, and for what the budget does not reach."""
    run, count, whole = effects._run, len(batch.keys), batch.bound + batch.rest
    begun: list[asyncio.Task[list[C | None] | None]] = []
    pieces: list[range] = []
    at = 0
    try:
        while at < count:
            most = min(batch.size, count - at)
            held = batch.set_aside(whole.times(most))
            held, parts = (held, most) if held else await run.ledger.reserve_most(whole, most, batch.leaving)
            pieces.append(range(at, at + parts))
            begun.append(asyncio.create_task(_piece(effects, batch, pieces[-1], held)))
            at += parts
    except BudgetExceeded as error:
        run.stop(error)
    except asyncio.CancelledError:
        await cancel(begun)
        raise
    ended = await effects._collect(begun)
    found = [part for group, piece in zip(ended, pieces, strict=True) for part in group or [None] * len(piece)]
    return found + [None] * (count - at)


async def _piece(effects: Effects, batch: Batch[C], piece: range, held: Reservation) -> list[C | None]:
    """Some parts of a batch, made by one call."""
    run, attempts, whole = effects._run, Attempts(batch.bound), batch.bound + batch.rest
    known: dict[bytes, C] = {}

    async def call(some: list[int]) -> list[tuple[bytes, Usage]]:
        found = await attempts.attempt(batch.make([piece[number] for number in some]))
        if len(found) != len(some):
            raise EngineRefused(f"engine {batch.engine!r} must give {len(some)} parts, got {len(found)}")
        for usage in {each.usage for each in found}:
            _check_allowed(usage, batch)
        records = [batch.write(each) for each in found]
        known.update(zip(records, found, strict=True))
        return [(record, each.usage) for record, each in zip(records, found, strict=True)]

    keys = [batch.keys[number] for number in piece]
    try:
        records = await run.journal.draw_all(
            keys, batch.bound, call, run.gates[batch.engine], run.account, leaving=batch.leaving
        )
    except BaseException as error:
        held.settle(attempts.due(error).times(len(piece)))
        raise
    parts: dict[int, C] = {}
    spent: list[Usage] = []
    for number, key, record in zip(piece, keys, records, strict=True):
        if isinstance(record, Exception):
            effects._lost(record, held.split(whole), attempts)
            continue
        parts[number] = part = known[record] if record in known else batch.read(record)
        if key not in run.read:
            run.read.add(key)
            spent.append(part.usage)
    if batch.rest == Usage() or not parts:
        held.settle(Usage.total(spent))
    else:
        held.settle_keeping(Usage.total(spent), batch.rest, len(parts))
        batch.keep(list(parts), held)
    return [parts.get(number) for number in piece]


def _check_allowed(usage: Usage, batch: Batch[C]) -> None:
    """Refuse what a part cost where the engine spent more on it than it was allowed.

    Raises:
        EngineRefused: it did.
    """
    if not covers(batch.bound, usage):
        raise EngineRefused(
            f"engine {batch.engine!r} must keep to {batch.bound.as_dict()} a part, but reports {usage.as_dict()}; its "
            "counts cannot be trusted"
        )
