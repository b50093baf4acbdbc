"""Trace confidence: how sure a model was of its tokens while it wrote an attempt (DeepConf, Fu et al. 2025).

A token's confidence is minus the mean log-probability of the few likeliest tokens there, in nats: 0 at the least, and
the higher the more the model leans to one of them. A group's confidence is the mean over a window of tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..orchestrator.types import Candidate, Score
from .ranking import ranked
from .voting import vote

Measure = Literal["mean", "tail", "bottom", "min"]
CONFIDENCE = "confidence"
BOTTOM_GROUPS = 10
UNITS = 2.0**30


def trace_confidence(confidences: Sequence[float], measure: Measure, window: int) -> float | None:
    """The confidence of a whole attempt, in nats; None without tokens.

    ``mean`` takes all tokens, ``tail`` the last `window`; of the windows at every position, ``min`` takes the least
    confident, ``bottom`` the mean of the least confident tenth, one at least. An attempt shorter than a window is one.
    Sums are exact, in units of 2**-30 nats, so that equal windows are equal wherever they stand.

    >>> [trace_confidence((4.0, 1.0, 3.0, 6.0), measure, 2) for measure in ("mean", "tail", "bottom", "min")]
    [3.5, 4.5, 2.0, 2.0]
    """
    if not confidences or not all(map(math.isfinite, confidences)):
        return None
    width = len(confidences) if measure == "mean" else min(window, len(confidences))
    ends = np.cumsum([0, *(round(value * UNITS) for value in confidences)])
    groups = ends[width:] - ends[:-width]
    if measure == "tail":
        groups = groups[-1:]
    else:
        groups = np.sort(groups)[: max(1, len(groups) // BOTTOM_GROUPS if measure == "bottom" else 1)]
    total: int = sum(groups.tolist())
    return total / (UNITS * width * len(groups))


def path_confidences(candidate: Candidate) -> tuple[float, ...]:
    """The confidences of all tokens from the root on; none where those of any part are not known."""
    parts = [node.confidences for node in candidate.path()]
    return tuple(value for part in parts if part is not None for value in part) if None not in parts else ()


def with_confidence(candidates: Sequence[Candidate], measure: Measure, window: int) -> list[Candidate]:
    """The candidates, each with its trace confidence as a score under ``confidence``."""
    values = [trace_confidence(path_confidences(each), measure, window) for each in candidates]
    scores = [Score(value, kind="self", scale="reward") for value in values]
    return [each.with_score(CONFIDENCE, score) for each, score in zip(candidates, scores, strict=True)]


def confidence_of(candidate: Candidate) -> float | None:
    """The score under ``confidence``, where there is one."""
    score = candidate.scores.get(CONFIDENCE)
    return score.value if score else None


def most_confident(candidates: Sequence[Candidate], share: float) -> list[Candidate]:
    """The most confident `share` of the candidates that have an answer, rounded up; all where none has a confidence."""
    answered = [each for each in candidates if each.answer is not None]
    known = sum(confidence_of(each) is not None for each in answered)
    kept = math.ceil(round(share * known, 9))  # 0.07 * 100 is a little more than 7
    return ranked(answered, CONFIDENCE)[:kept] or answered


def winners_share(voters: Sequence[Candidate]) -> float:
    """The winning answer's part of all votes, weighed by confidence; by count where none has any. 0 without a vote."""
    ordered = [each for each in vote(voters, CONFIDENCE, weighted=True) if each.answer is not None]
    weights = [confidence_of(each) or 0.0 for each in ordered]
    if not any(weights):
        weights = [1.0] * len(ordered)
    winning = [weight for each, weight in zip(ordered, weights, strict=True) if each.answer == ordered[0].answer]
    return math.fsum(winning) / math.fsum(weights) if ordered else 0.0
