"""Reward: a score on the scale that bandit rules want."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..orchestrator.context import Context
from ..orchestrator.errors import VerifierError
from ..orchestrator.types import Candidate, Score


def reward(candidate: Candidate, verifier: str) -> float:
    """The candidate's score under `verifier` as a reward in [0, 1], which UCT and Beta posteriors presuppose.

    A logit goes through the logistic function; any other value beyond [0, 1] is cut to it. What could not be judged
    is worth nothing.
    """
    score = candidate.scores.get(verifier)
    if score is None or score.value is None:
        return 0.0
    return min(max(_value(score), 0.0), 1.0)


def note_cut(candidates: Iterable[Candidate], verifier: str, ctx: Context) -> None:
    """Note in the result that scores under `verifier` were cut to be rewards."""
    scores = [score for c in candidates if (score := c.scores.get(verifier)) and score.value is not None]
    if beyond := [score.value for score in scores if not 0 <= _value(score) <= 1]:
        ctx.note(
            VerifierError(
                f"a score used as a reward must be in [0, 1], got {beyond[0]:g} from {verifier!r}, which is cut to it; "
                "map it to a probability with the verifier's link"
            )
        )


def _value(score: Score) -> float:
    assert score.value is not None
    return 0.5 * (1 + math.tanh(0.5 * score.value)) if score.scale == "logit" else score.value
