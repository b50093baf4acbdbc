"""The exact judge of abacus solutions: the answer line, and every written step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from ..orchestrator.errors import UsageError
from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale, Verifier
from .answers import AbacusAnswer

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class AbacusChecker(Verifier):
    """1 where the answer line gives the reference, else 0; step scores of 1 and 0, one for each written line.

    A line is right where it carries on rightly from the value before it, even if that value is wrong. A query without a
    reference is not judged: ``Score(None)``; one that does not ask an abacus problem has no step scores.

    Evidence: the written lines of an abacus solution, the problem they start from, and the reference.
    When to trust it: always, for it is exact: it measures other verifiers and strategies on the abacus models, and is
        of no use on any other problem.
    Cost: nothing.
    Source: none; the abacus task is ponder's own, see `ponder.orchestrator.data.abacus`.
    Departs: nowhere.
    """

    kind: Literal["abacus"] = "abacus"

    @property
    def score_scale(self) -> Scale:
        return "binary"

    @property
    def needs_reference(self) -> bool:
        return True

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        gold = await AbacusAnswer().reference_key(query.reference or "")
        if gold is None:
            return [_score(None, (), "the query has no abacus reference answer")] * len(candidates)
        return [_checked(query, candidate.text, gold) for candidate in candidates]


def _checked(query: Query, text: str, gold: str) -> Score:
    answer = AbacusAnswer().key(text)
    asked = next((each.content for each in reversed(query.messages) if each.role == "user"), "")
    try:
        steps = tuple(_step_scores(asked, text))
    except UsageError:
        steps = ()
    return _score(float(answer == gold), steps, "" if answer is not None else "no answer line")


def _step_scores(prompt: str, text: str) -> Iterator[float]:
    """1.0 or 0.0 a line; the lines after those a solution can have are wrong."""
    from ..orchestrator.data.abacus import MAX_STEPS, check_step

    lines = text.splitlines(keepends=True)
    readable = lines[: MAX_STEPS + 1]
    for before, line in zip(accumulate(readable, initial=""), readable, strict=False):
        yield float(check_step(prompt, before, line))
    yield from [0.0] * (len(lines) - len(readable))


def _score(value: float | None, steps: tuple[float, ...], detail: str) -> Score:
    return Score(value, steps, kind="exact", scale="binary", detail=detail)
