"""The vote: candidates with one answer stand together, abstainers never vote."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..orchestrator.context import Context
from ..orchestrator.errors import VerifierError
from ..orchestrator.types import Candidate
from .ranking import rank_key


def vote(candidates: Sequence[Candidate], verifier: str = "", *, weighted: bool = False) -> list[Candidate]:
    """Candidates ordered by the weight of their answer's class (Wang et al. 2023; weighted: Li et al. 2023).

    Classes are ordered by total weight, then count, then best score, then first index; within a class, and
    among abstainers (who come last), by `rank_key`. The weight of a candidate is 1, or its score under `verifier`
    when `weighted`: a missing or negative score weighs nothing, and where all weigh nothing the count decides.
    """
    classes: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.answer is not None:
            classes.setdefault(candidate.answer, []).append(candidate)

    def standing(answer: str) -> tuple[float, int, tuple[bool, float], int]:
        members = classes[answer]
        weight = math.fsum(_weight(member, verifier) for member in members) if weighted else float(len(members))
        best = min(rank_key(member, verifier)[:2] for member in members)
        return (-weight, -len(members), best, min(member.index for member in members))

    ordered = [member for answer in sorted(classes, key=standing) for member in _by_rank(classes[answer], verifier)]
    return ordered + _by_rank([c for c in candidates if c.answer is None], verifier)


def _by_rank(candidates: list[Candidate], verifier: str) -> list[Candidate]:
    return sorted(candidates, key=lambda candidate: rank_key(candidate, verifier))


def note_unweighable(candidates: Iterable[Candidate], verifier: str, ctx: Context) -> None:
    """Note in the result that scores under `verifier` are negative, which no weight can be."""
    values = [score.value for c in candidates if (score := c.scores.get(verifier)) and score.value is not None]
    if (lowest := min(values, default=0.0)) < 0:
        ctx.note(
            VerifierError(
                f"a score used as a vote's weight must be at least 0, got {lowest:g} from {verifier!r}, which weighs "
                "nothing; map it to a probability with the verifier's link, or rank instead of voting"
            )
        )


def _weight(candidate: Candidate, verifier: str) -> float:
    score = candidate.scores.get(verifier)
    return max(0.0, (score.value if score else None) or 0.0)
