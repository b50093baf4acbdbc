"""The mean rank that several verifiers give a candidate among the others."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Literal

from ..orchestrator.types import Score
from .ensemble import Row, VerifierEnsemble, kind_of, mean_of


class RankEnsemble(VerifierEnsemble):
    """The weighted mean of a candidate's ranks by each member, among the candidates judged together.

    A rank is told as the share of the other candidates that it beats, where a tie counts half: 1 for the best, 0 for
    the worst, one half for who is alone. Only the members' order counts, so they may score on any scales. Where a
    member cannot tell, the candidate comes last there, alike with others that it cannot tell; a member that can tell of
    none is left out, and a candidate of which no member can tell has no score.

    Evidence: that of the members.
    When to trust it: to choose among the candidates of one query by members whose scores cannot be compared. It knows
        no distances: a member that is all but indifferent counts as much as one that is sure. Scores mean nothing
        alone, nor from one query to the next.
    Cost: the sum of the members; equal members are asked once.
    Source: Borda's count, as used for combining classifiers by Ho, Hull and Srihari 1994, "Decision combination in
        multiple classifier systems".
    Departs: ties share their places, and weights are allowed.
    """

    kind: Literal["rank_ensemble"] = "rank_ensemble"

    @property
    def is_relative(self) -> bool:
        return True

    @property
    def does_without(self) -> bool:
        return True

    def combined(self, rows: Sequence[Row]) -> list[Score]:
        weighed = [(row, weight) for row, (_, weight) in zip(rows, self.weighed, strict=True) if _tells(row)]
        weights = [weight for _, weight in weighed]
        shares = [shares_beaten([score.value for score in row]) for row, _ in weighed]
        places = zip(*shares, strict=True) if shares else iter([()] * len(rows[0]))
        return [
            self._mean(scores, place, weights) for scores, place in zip(zip(*rows, strict=True), places, strict=True)
        ]

    def _mean(self, scores: Sequence[Score], places: Sequence[float], weights: Sequence[float]) -> Score:
        if not _tells(scores):
            detail = f"no member can tell: {scores[0].detail}"[:200]
            return Score(None, kind=kind_of(scores), scale="reward", detail=detail)
        return Score(mean_of(places, weights), kind=kind_of(scores), scale="reward")


def shares_beaten(values: Sequence[float | None]) -> list[float]:
    """Of each value, the share of the others that it beats; a tie counts half, and None loses to every number.

    >>> shares_beaten([3.0, 1.0, 3.0, None, 2.0]), shares_beaten([7.0])
    ([0.875, 0.25, 0.875, 0.0, 0.5], [0.5])
    """
    if len(values) == 1:
        return [0.5]
    told = sorted(value for value in values if value is not None)
    mute, shares = len(values) - len(told), []
    for value in values:
        below = 0 if value is None else mute + bisect_left(told, value)
        alike = mute if value is None else bisect_right(told, value) - bisect_left(told, value)
        shares.append((below + (alike - 1) / 2) / (len(values) - 1))
    return shares


def _tells(scores: Sequence[Score]) -> bool:
    return any(score.value is not None for score in scores)
