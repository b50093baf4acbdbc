"""Pairwise judging in both orders: what a judge says of two responses must not depend on which comes first."""

from __future__ import annotations

from collections.abc import Sequence

from ..orchestrator.replies import verdict

Match = tuple[int, int, tuple[float, float] | None]
"""Two players by their numbers, and the points of each; None where it was not played."""
WORDS = ("1", "2", "Tie")
MIRRORED = {"1": "2", "2": "1", "Tie": "Tie"}


def points(reply: str, mirrored: str) -> tuple[float, float] | None:
    """The points of two responses, from the replies in the order shown and with the two exchanged.

    A win needs both replies, a tie said twice is half a point each, and replies that disagree give none (Li et al.
    2025, section 3.3). None where a reply's last line is not [1], [2] or [Tie]: the match was not played.

    >>> points("[1]", "[2]"), points("[1]", "[1]"), points("[Tie]", "[Tie]"), points("[1]", "the first")
    ((1.0, 0.0), (0.0, 0.0), (0.5, 0.5), None)
    """
    said, again = verdict(reply, WORDS), verdict(mirrored, WORDS)
    if said is None or again is None:
        return None
    if MIRRORED[again] != said:
        return (0.0, 0.0)
    return {"1": (1.0, 0.0), "2": (0.0, 1.0), "Tie": (0.5, 0.5)}[said]


def shares(count: int, matches: Sequence[Match]) -> list[float | None]:
    """The points a match of each of `count` players, so that who plays more gains nothing; None for who played none.

    >>> shares(3, [(0, 1, (1.0, 0.0)), (0, 2, (0.0, 0.0)), (1, 2, None)])
    [0.5, 0.0, 0.0]
    """
    won: list[list[float]] = [[] for _ in range(count)]
    for one, other, result in matches:
        if result is not None:
            won[one].append(result[0])
            won[other].append(result[1])
    return [sum(each) / len(each) if each else None for each in won]
