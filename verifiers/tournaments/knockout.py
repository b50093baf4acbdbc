"""Knockout: who does not win is out."""

from __future__ import annotations

from .pairwise import Schedule


def knockout(players: int) -> Schedule:
    """``players - 1`` matches in as many rounds as it takes to halve `players` down to one.

    Players are numbered by their seed, 0 the best. In each round the best seed meets the worst that is left, and so
    on; where the first round is not full, the best seeds have a bye. The worse seed must win to go on: a draw, or a
    match that could not be played, lets the better seed through.

    >>> bracket = knockout(3)
    >>> next(bracket), bracket.send([(0.0, 1.0)])
    ([(1, 2)], [(0, 2)])
    """
    left = list(range(players))
    while len(left) > 1:
        byes = (1 << (len(left) - 1).bit_length()) - len(left)
        through, playing = left[:byes], left[byes:]
        pairs = list(zip(playing[: len(playing) // 2], reversed(playing), strict=False))
        results = (yield pairs) or [None] * len(pairs)
        beaten = (points is not None and points[1] > points[0] for points in results)
        left = sorted([*through, *(pair[lost] for pair, lost in zip(pairs, beaten, strict=True))])
