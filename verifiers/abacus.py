"""The exact judge of abacus solutions: the answer line, and every written step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Verifier
from .answers import AbacusAnswer
from .process_reward import split_steps

if TYPE_CHECKING:
    from ..orchestrator.context import Context


class AbacusChecker(Verifier):
    """1 where the answer line gives the reference, else 0; step scores of 1 and 0 for the lines as written.

    A step is right where its own arithmetic is; it may still rest on a wrong one before it.
    """

    kind: Literal["abacus"] = "abacus"

    @property
    def needs_reference(self) -> bool:
        return True

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Score]:
        gold = await AbacusAnswer().reference_key(query.reference or "")
        if gold is None:
            return [_score(None, (), "the query has no abacus reference answer")] * len(candidates)
        return [_checked(candidate.text, gold) for candidate in candidates]


def _checked(text: str, gold: str) -> Score:
    answer = AbacusAnswer().key(text)
    steps = tuple(map(_is_right, split_steps(text)))
    return _score(float(answer == gold), steps, "" if answer is not None else "no answer line")


def _is_right(line: str) -> float:
    from ..orchestrator.data.abacus import check_step

    return float(bool(check_step(line)))


def _score(value: float | None, steps: tuple[float, ...], detail: str) -> Score:
    return Score(value, steps, kind="exact", scale="binary", detail=detail)
