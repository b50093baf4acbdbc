"""The order of candidates: every valid score before every invalid one, ties by documented keys."""

from __future__ import annotations

from collections.abc import Iterable

from ..orchestrator.types import Candidate

Key = tuple[bool, float, int, int]


def ranked(candidates: Iterable[Candidate], verifier: str) -> list[Candidate]:
    """Candidates by score, best first; ties to fewer generated tokens, then to the lower index.

    A candidate without a valid score comes after all that have one.
    """
    return sorted(candidates, key=lambda candidate: rank_key(candidate, verifier))


def rank_key(candidate: Candidate, verifier: str) -> Key:
    """The sorting key of `ranked`: smaller is better."""
    score = candidate.scores.get(verifier)
    value = score.value if score else None
    return (value is None, -(value or 0.0), candidate.generated_tokens, candidate.index)
