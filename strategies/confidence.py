"""Candidates by how sure the model was of its tokens while it wrote them (DeepConf, Fu et al. 2025)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..orchestrator.types import Candidate
from ..verifiers.confidence import Confidence
from ..verifiers.trace_confidence import Measure, along_path
from .ranking import ranked
from .voting import vote

CONFIDENCE = "confidence"


def path_confidences(candidate: Candidate) -> tuple[float, ...]:
    """The confidences of all tokens from the root on; none where those of any part are not known."""
    return along_path(candidate, "confidences") or ()


def with_confidence(candidates: Sequence[Candidate], measure: Measure, window: int) -> list[Candidate]:
    """The candidates, each with its trace confidence as a score under ``confidence``."""
    judge = Confidence(measure=measure, window=window)
    return [each.with_score(CONFIDENCE, judge.judged(each)) for each in candidates]


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
