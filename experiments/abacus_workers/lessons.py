"""What the workers learn from: endless batches of problems alone, shared out, and passed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from ponder.orchestrator.data.abacus_workers import Shared, relay, shared

from .rows import Batch, Row, alone, batch, row

POOL = 8  # batches that are sorted by length together
MOST_STEPS = 3  # of one of several chains
LONGEST = 6  # steps of a chain that stands alone
RELAYED = 2  # steps of a chain that a worker tells another


def lessons(random: Random, sizes: tuple[int, int, int]) -> Iterator[list[Batch]]:
    """Endless steps of three batches: one worker alone, chains shared out, and relays, of so many problems each."""
    streams = [
        _batches(random, sizes[0], _alone, (1,)),
        _batches(random, sizes[1], _shared, (2, 3, 4)),
        _batches(random, sizes[2], _relayed, (2, 3, 4)),
    ]
    while True:
        yield [next(stream) for stream in streams]


def some(random: Random) -> Shared:
    """A training problem of one to four chains."""
    chains = random.choice((1, 2, 2, 3, 3, 4, 4))
    most = LONGEST if chains == 1 else MOST_STEPS
    return shared(random, [random.randint(1, most) for _ in range(chains)], "train")


def _alone(random: Random, _: int) -> Row:
    return alone(some(random), is_numbered=random.random() < 0.5)


def _shared(random: Random, workers: int) -> Row:
    return row(some(random), workers, keeps_end=random.random() < 0.5)


def _relayed(random: Random, workers: int) -> Row:
    return row(relay(random, workers, RELAYED, "train"), workers, keeps_end=random.random() < 0.5)


def _batches(
    random: Random, size: int, draw: Callable[[Random, int], Row], workers: tuple[int, ...]
) -> Iterator[Batch]:
    """Batches of one number of workers and similar length, in random order."""
    while True:
        groups = []
        for count in workers:
            rows = sorted((draw(random, count) for _ in range(size * POOL)), key=_length)
            groups += [rows[begin : begin + size] for begin in range(0, len(rows), size)]
        random.shuffle(groups)
        yield from map(batch, groups)


def _length(row: Row) -> int:
    return max(map(len, row.written)) + len(row.prompt) + len(row.openings[0])
