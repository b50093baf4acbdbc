"""Where a stop string ends what is drawn."""

from __future__ import annotations

from collections.abc import Sequence


def stopped(text: str, new: int, stops: Sequence[str]) -> int | None:
    """Where the first stop string ends that the last `new` characters of a text complete; None where they do not.

    >>> stopped("one. two. ", 4, (".",)), stopped("one. two", 3, (".",))
    (9, None)
    """
    ends = []
    for stop in stops:
        at = text.find(stop, max(0, len(text) - new - len(stop) + 1))
        if at >= 0:
            ends.append(at + len(stop))
    return min(ends, default=None)
