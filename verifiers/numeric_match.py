"""Whether a number is the reference, but for a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale, Verifier
from .number import last_number, value_of
from .rule_score import rule_score

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

GOLD_WITHIN = 500
"""Powers of ten that a reference may have: no tolerance reaches from there to an answer beyond `WITHIN`."""
WITHIN = 1000
RELATIVE = 1e-6


class NumericMatch(Verifier):
    """1 where the last number of an attempt is the reference but for a tolerance, else 0.

    It is right where ``|answer - reference| <= max(absolute, relative * |reference|)``, by exact rational arithmetic:
    1.3 is within 0.3 of 1, which in floating point it is not. Numbers are read as by `NumberAnswer`: thousands marks,
    fractions ``a/b`` and exponents. A text without a number is wrong.

    Evidence: the last number of the text, and the reference.
    When to trust it: the answer is a number that can be told in many precisions. An attempt that goes on after its
        answer is judged by what it says last; where the last number need not be the answer, match a pattern.
    Cost: nothing.
    Source: the tolerances are those of Python's ``math.isclose`` and of numpy's ``allclose``.
    Departs: from ``math.isclose``, which takes the larger of both numbers: here the reference alone counts, so that a
        wrong answer cannot widen its own tolerance. From ``allclose``, which adds the tolerances.

    Args:
        absolute: how far off an answer may be.
        relative: how far off it may be as a share of the reference, 0 to 1.
    """

    kind: Literal["numeric_match"] = "numeric_match"
    absolute: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    relative: Annotated[float, Field(ge=0, le=1)] = RELATIVE

    @property
    def name(self) -> str:
        """The kind, and the tolerances where they are not the default."""
        is_plain = (self.absolute, self.relative) == (0.0, RELATIVE)
        return self.kind if is_plain else f"{self.kind}:{_spelled(self.absolute)}:{_spelled(self.relative)}"

    @property
    def score_scale(self) -> Scale:
        return "binary"

    @property
    def needs_reference(self) -> bool:
        return True

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        if query.reference is None:
            return [rule_score(None, "the query has no reference answer")] * len(candidates)
        spelled = last_number(query.reference)
        gold = value_of(spelled, GOLD_WITHIN) if spelled is not None else None
        if gold is None:
            problem = f"the reference must be a number below 1e{GOLD_WITHIN}, but is {query.reference[:80]!r}"
            return [rule_score(None, problem)] * len(candidates)
        tolerance = max(_exact(self.absolute), _exact(self.relative) * abs(gold))
        return [_judged(each.text, gold, tolerance) for each in candidates]


def _judged(text: str, gold: Fraction, tolerance: Fraction) -> Score:
    spelled = last_number(text)
    if spelled is None:
        return rule_score(0.0, "no number found")
    value = value_of(spelled, WITHIN)
    return rule_score(float(value is not None and abs(value - gold) <= tolerance))


def _spelled(tolerance: float) -> str:
    """In short, but for what no other tolerance has."""
    return short if float(short := f"{tolerance:g}") == tolerance else repr(tolerance)


def _exact(tolerance: float) -> Fraction:
    """The decimal that was written, not the binary number nearest to it."""
    return Fraction(repr(tolerance))
