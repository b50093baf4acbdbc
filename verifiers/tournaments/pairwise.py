"""Pairwise judging in both orders: what a judge says of two responses must not depend on which comes first."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Literal

from ...orchestrator.replies import verdict

Outcome = Literal["first", "second", "tie", "inconsistent"]
Points = tuple[float, float]
Pair = tuple[int, int]
Match = tuple[int, int, Points | None]
"""Two players by their numbers, and the points of each; None where it was not played."""
Schedule = Generator[list[Pair], "list[Points | None] | None", None]
"""Who meets next: gives the pairs of a round and is sent the points of each; no two meet twice."""
WORDS = ("1", "2", "Tie")
MIRRORED = {"1": "2", "2": "1", "Tie": "Tie"}
DECIDED: dict[str, Outcome] = {"1": "first", "2": "second", "Tie": "tie"}
HALVES: dict[Outcome, Points] = {
    "first": (1.0, 0.0),
    "second": (0.0, 1.0),
    "tie": (0.5, 0.5),
    "inconsistent": (0.5, 0.5),
}
"""The points of a match, where a judge who contradicts itself is one who cannot tell."""


def outcome(reply: str, mirrored: str) -> Outcome | None:
    """Who won, from the replies in the order shown and with the two exchanged: a win needs both.

    None where a reply's last line is not [1], [2] or [Tie]: the match was not played.

    >>> outcome("[1]", "[2]"), outcome("[1]", "[1]"), outcome("[Tie]", "[Tie]"), outcome("[1]", "the first")
    ('first', 'inconsistent', 'tie', None)
    """
    said, again = verdict(reply, WORDS), verdict(mirrored, WORDS)
    if said is None or again is None:
        return None
    return DECIDED[said] if MIRRORED[again] == said else "inconsistent"


def points(reply: str, mirrored: str) -> Points | None:
    """The points of two programs as S* counts them (Li et al. 2025, section 3.3): replies that disagree give none.

    There a pair that cannot be told apart is to gain nothing on one that can. `HALVES` gives half a point each, so
    that points always add up to one, as a rating from matches needs.

    >>> points("[1]", "[2]"), points("[1]", "[1]"), points("[Tie]", "[Tie]"), points("[1]", "the first")
    ((1.0, 0.0), (0.0, 0.0), (0.5, 0.5), None)
    """
    who = outcome(reply, mirrored)
    if who is None:
        return None
    return (0.0, 0.0) if who == "inconsistent" else HALVES[who]


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
