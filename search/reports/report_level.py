"""What a search chose within one limit on the cost of a query, and how it stands against a baseline."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...orchestrator.errors import UsageError
from .frontier import Amount, Difference

Standing = Literal["beats", "tied", "behind"]


class Contest(BaseModel):
    """The choice of a level against the best baseline of equal cost, on the confirmation queries.

    Args:
        baseline: name of the baseline's point: the most accurate on the development queries of those that cost no more
            than the level, or than the choice where it turned out dearer; no one is chosen by the queries that judge.
        difference: accuracy of the choice less that of the baseline, query by query.
        is_tied: whether the queries cannot tell the two apart, as `compare` says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    baseline: str
    difference: Difference
    is_tied: bool

    @model_validator(mode="after")
    def _is_told_apart(self) -> Self:
        if not self.is_tied and self.difference.holds_zero:
            raise UsageError(
                f"a contest must be tied where its interval holds 0, got {self.difference.low!r} to "
                f"{self.difference.high!r} against {self.baseline!r}; take is_tied from compare"
            )
        return self

    @property
    def standing(self) -> Standing:
        """Where the choice stands: it beats the baseline, is tied with it, or is behind it."""
        if self.is_tied:
            return "tied"
        return "beats" if self.difference.low > 0 else "behind"


class Level(BaseModel):
    """The choice within one limit on the cost of a query.

    Args:
        limit: what a query was to cost on average at most, in the dimension of the report; the report says so where the
            choice turned out dearer.
        chosen: name of the point chosen.
        tied_with: names of points within the limit that the development queries cannot tell from the one chosen; the
            confirmation queries have no part in it, so that no one is chosen by them.
        contest: against the best baseline of equal cost; None where none is confirmed, or the choice is one itself.
        not_confirmed: why the point chosen was not measured on the confirmation queries; empty where it was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    limit: Annotated[Amount, Field(gt=0)]
    chosen: str
    tied_with: tuple[str, ...] = ()
    contest: Contest | None = None
    not_confirmed: str = ""

    @model_validator(mode="after")
    def _is_confirmed_to_compete(self) -> Self:
        if self.not_confirmed and self.contest is not None:
            raise UsageError(
                f"a level must be confirmed to be compared with a baseline, got one with {self.contest.baseline!r} at "
                f"{self.limit:g} that is not confirmed; leave the contest out"
            )
        return self
