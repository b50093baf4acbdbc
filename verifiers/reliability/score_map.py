"""Score maps: what a score is worth as a probability, as data."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...orchestrator.errors import UsageError
from .isotonic import fit_isotonic
from .labels import number_of
from .platt import fit_platt, sigmoid

SURE = 1e-12
"""Probabilities nearer to 0 or 1 than this have the log-odds of this."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Scores = Sequence[float | None]


class PlattMap(BaseModel):
    """Platt's line: ``sigmoid(slope * x + offset)``, where x is the score or its log-odds.

    Args:
        slope: at least 0, so that the map rises.
        offset: log-odds at x = 0.
        on: whether x is the ``score``, for logits and rewards, or its ``log_odds``, for probabilities.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["platt"] = "platt"
    slope: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    offset: Finite
    on: Literal["score", "log_odds"] = "score"

    @classmethod
    def fit(cls, scores: Scores, outcomes: Sequence[float], on: Literal["score", "log_odds"] = "score") -> Self:
        """The line of most likelihood, see `fit_platt`; scores that are None are left out.

        Raises:
            UsageError: nothing is judged, a score is on another scale, or right answers score less than wrong ones.
        """
        told, came_true = _judged(scores, outcomes)
        if on == "log_odds" and not all(0 <= score <= 1 for score in told):
            raise UsageError('scores must be from 0 to 1 to have log-odds, got others; use on="score"')
        slope, offset = fit_platt([_log_odds(score) for score in told] if on == "log_odds" else told, came_true)
        if slope < 0:
            raise UsageError(
                f"scores must rise with the outcomes, got a slope of {slope:.3g}; a verifier that likes wrong answers "
                "better can not be calibrated, only replaced"
            )
        return cls(slope=slope, offset=offset, on=on)

    def chance(self, score: float) -> float | None:
        """The probability that `score` is worth; None where it has no log-odds."""
        if self.on == "log_odds" and not 0 <= score <= 1:
            return None
        return sigmoid(self.slope * (_log_odds(score) if self.on == "log_odds" else score) + self.offset)


class IsotonicMap(BaseModel):
    """Rising steps with straight lines between them, level beyond the first and the last knot.

    Args:
        scores: where the knots are, rising.
        chances: the probability at each, never falling.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["isotonic"] = "isotonic"
    scores: Annotated[tuple[Finite, ...], Field(min_length=1)]
    chances: tuple[Share, ...]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.scores) != len(self.chances):
            got = f"{len(self.scores)} and {len(self.chances)}"
            raise ValueError(f"there must be one chance a score, got {got}; name the chance at each knot")
        if sorted(set(self.scores)) != list(self.scores) or sorted(self.chances) != list(self.chances):
            raise ValueError("scores must rise and chances must not fall; sort the knots, or fit them")
        return self

    @classmethod
    def fit(cls, scores: Scores, outcomes: Sequence[float]) -> Self:
        """The nearest rising map, see `fit_isotonic`; scores that are None are left out.

        Raises:
            UsageError: nothing is judged.
        """
        knots, chances = fit_isotonic(*_judged(scores, outcomes))
        return cls(scores=knots, chances=chances)

    def chance(self, score: float) -> float | None:
        """The probability that `score` is worth."""
        place = bisect_right(self.scores, score)
        if place in (0, len(self.scores)):
            return self.chances[max(0, place - 1)]
        (low, high), (start, end) = self.scores[place - 1 : place + 1], self.chances[place - 1 : place + 1]
        return min(max(start + (score - low) / (high - low) * (end - start), start), end)


ScoreMap = Annotated[PlattMap | IsotonicMap, Field(discriminator="kind")]


def _judged(scores: Scores, outcomes: Sequence[float]) -> tuple[list[float], list[float]]:
    if len(scores) != len(outcomes):
        raise UsageError(f"there must be one outcome a score, got {len(scores)} and {len(outcomes)}; pair them")
    pairs = [
        (number_of("a score", score), number_of("an outcome", outcome))
        for score, outcome in zip(scores, outcomes, strict=True)
        if score is not None
    ]
    return [score for score, _ in pairs], [outcome for _, outcome in pairs]


def _log_odds(chance: float) -> float:
    cut = min(max(chance, SURE), 1 - SURE)
    return math.log(cut / (1 - cut))
