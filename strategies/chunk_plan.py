"""What drawing in chunks may cost, counted in few parts however fine the chunks are."""

from __future__ import annotations

from collections.abc import Iterator

PARTS = 256
"""Most parts that chunks are counted in."""


def parts(max_tokens: int, chunk: int) -> Iterator[tuple[int, int, int]]:
    """The most tokens before a chunk, the most tokens of it, and how many chunks are counted so.

    The first chunk stands alone. Where more than 256 follow, some that are next to each other are counted as the last
    of them, which has most before it.

    >>> list(parts(10, 4))
    [(0, 4, 1), (4, 4, 1), (8, 2, 1)]
    >>> sum(chunks for _, _, chunks in parts(1_000_000, 1)), len(list(parts(1_000_000, 1)))
    (1000000, 257)
    """
    yield 0, min(chunk, max_tokens), 1
    count = -(-max_tokens // chunk)
    together = -(-(count - 1) // PARTS) or 1
    for first in range(1, count, together):
        last = min(first + together, count) - 1
        yield last * chunk, min(chunk, max_tokens - first * chunk), last - first + 1
