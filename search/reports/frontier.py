"""The frontier: compositions of which none is both cheaper and at least as accurate as another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, NonNegativeInt, PositiveInt, model_validator

from ...orchestrator.errors import UsageError
from ...orchestrator.intervals import Interval

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Gap = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]


class Estimate(BaseModel):
    """An accuracy, never without its interval.

    Args:
        items: queries it was measured on.
        accuracy: the mean label over them.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    items: PositiveInt
    accuracy: Share
    low: Share
    high: Share

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if not self.low <= self.accuracy <= self.high:
            raise UsageError(
                f"an interval must hold its accuracy, got {self.accuracy!r} in [{self.low!r}, {self.high!r}]; "
                "take both from accuracy_interval"
            )
        return self

    @property
    def interval(self) -> Interval:
        return Interval(self.accuracy, self.low, self.high)


class Difference(BaseModel):
    """How much more often one thing is right than another, query by query, never without its interval.

    Args:
        items: queries both were measured on.
        mean: the mean difference over them, -1 to 1.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    items: PositiveInt
    mean: Gap
    low: Gap
    high: Gap

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if not self.low <= self.mean <= self.high:
            raise UsageError(
                f"an interval must hold its difference, got {self.mean!r} in [{self.low!r}, {self.high!r}]; "
                "take both from compare"
            )
        return self

    @property
    def holds_zero(self) -> bool:
        """Whether no difference at all is among what the data allow."""
        return self.low <= 0 <= self.high


class Point(Estimate):
    """One composition as measured: how often it is right on development queries, and what a query costs.

    The accuracy is that of queries on which compositions were chosen: it flatters those chosen. What may be said of
    other queries is `confirmed`.

    Args:
        name: names it in the report; unique there.
        composition: the composition itself, as data.
        method: how pooled draws become one answer, a key of `METHODS`; of what is no choice from a pool, its kind.
        n: pooled draws a query; 1 for what is no choice from a pool.
        temperature: of the sampler, where it has one.
        cost: mean cost of a fresh query by dimension; `total_tokens` always, `cost_usd` in dollars.
        critical_path: calls of a query that follow one on another, where known.
        replicates: independent sets of draws that the accuracy is the mean of.
        by_difficulty: the accuracy on the queries of each difficulty.
        is_oracle: whether it needs the answers; such a point is a bound, and never on a frontier.
        failed: draws that failed; each is counted as wrong, and paid for.
        unjudged: draws that the checker could not judge; each is counted as wrong.
        unscored: draws that the verifier that chooses could not judge.
        confirmed: the accuracy on queries that had no part in choosing this point.
    """

    name: Annotated[str, Field(min_length=1)]
    composition: dict[str, JsonValue] = {}
    method: str
    n: PositiveInt
    temperature: Amount | None = None
    cost: dict[str, Amount]
    critical_path: Amount | None = None
    replicates: PositiveInt = 1
    by_difficulty: dict[str, Estimate] = {}
    is_oracle: bool = False
    failed: NonNegativeInt = 0
    unjudged: NonNegativeInt = 0
    unscored: NonNegativeInt = 0
    confirmed: Estimate | None = None

    @model_validator(mode="after")
    def _counts_tokens(self) -> Self:
        self.cost_in("total_tokens")
        return self

    def cost_in(self, dimension: str) -> float:
        """The mean cost of a query in `dimension`.

        Raises:
            UsageError: it was not measured.
        """
        if dimension not in self.cost:
            known = ", ".join(sorted(self.cost)) or "none"
            raise UsageError(f"point {self.name!r} must have a cost in {dimension!r}, got: {known}; choose one of them")
        return self.cost[dimension]


def frontier(points: Sequence[Point], by: str = "total_tokens") -> tuple[Point, ...]:
    """The points no other dominates in (cost, accuracy), cheapest first, each more accurate than the one before.

    Oracle points are left out. Of points equal in both, the first by name stands for all.

    Raises:
        UsageError: a point has no cost in the dimension `by`, or two have one name.
    """
    names = [point.name for point in points]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise UsageError(f"points must have names of their own, got twice: {', '.join(map(repr, twice))}; rename them")
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost_in(by), -point.accuracy, point.name)):
        if not point.is_oracle and (not kept or point.accuracy > kept[-1].accuracy):
            kept.append(point)
    return tuple(kept)
