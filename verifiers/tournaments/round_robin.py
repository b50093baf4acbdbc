"""Round robin: everyone meets everyone, all at once."""

from __future__ import annotations

from itertools import combinations

from .pairwise import Schedule


def round_robin(players: int) -> Schedule:
    """One round of ``players * (players - 1) / 2`` matches.

    >>> list(round_robin(3))
    [[(0, 1), (0, 2), (1, 2)]]
    """
    yield list(combinations(range(players), 2))
