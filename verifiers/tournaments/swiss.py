"""Swiss: neighbours in the standing meet, and no two twice."""

from __future__ import annotations

from collections.abc import Sequence

from .pairwise import Pair, Schedule


def swiss(players: int, rounds: int) -> Schedule:
    """`rounds` rounds of ``players // 2`` matches; fewer matches where too few are left who have not met.

    Players are numbered by their seed, 0 the best. They stand by the points they lost, fewest first, then by those
    they won, then by seed. Of an odd number the last sits out, but nobody a second time while another has not. Up to
    ``players / 2`` rounds all matches can be had. A meeting twice is never arranged: the judge would say the same.

    >>> tournament = swiss(4, 2)
    >>> next(tournament), tournament.send([(0.0, 1.0), (1.0, 0.0)])
    ([(0, 1), (2, 3)], [(1, 2), (0, 3)])
    """
    lost, won = [0.0] * players, [0.0] * players
    met: set[frozenset[int]] = set()
    for _ in range(rounds):
        standing = sorted(range(players), key=lambda player: (lost[player], -won[player], player))
        pairs = neighbours([*standing, players] if players % 2 else standing, met)
        met.update(map(frozenset, pairs))
        played = [pair for pair in pairs if players not in pair]
        if not played:
            return
        results = (yield played) or [None] * len(played)
        for (one, other), points in zip(played, results, strict=True):
            for player, mine, theirs in ((one, 0, 1), (other, 1, 0)):
                won[player] += points[mine] if points else 0.0
                lost[player] += points[theirs] if points else 0.0


def neighbours(standing: Sequence[int], met: set[frozenset[int]]) -> list[Pair]:
    """Pairs of players who have not met: each, from the top, with the next who is free.

    Two who are left over and have met are put into the lowest pair that can be mixed with them.
    """
    pairs: list[Pair] = []
    left = list(standing)
    over: list[int] = []
    while left:
        one = left.pop(0)
        other = next((each for each in left if frozenset((one, each)) not in met), None)
        if other is None:
            over.append(one)
        else:
            left.remove(other)
            pairs.append((one, other))
    for first, second in zip(over[::2], over[1::2], strict=False):
        _mix(pairs, first, second, met)
    return pairs


def _mix(pairs: list[Pair], first: int, second: int, met: set[frozenset[int]]) -> None:
    """Exchange players between the lowest pair that allows it and the two who are left over."""
    for place, (one, other) in reversed(list(enumerate(pairs))):
        for a, b in ((one, other), (other, one)):
            if not {frozenset((a, first)), frozenset((b, second))} & met:
                pairs[place : place + 1] = [(a, first), (b, second)]
                return
