"""What more draws of one pool would give, by every way to make one answer of them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator

from ...orchestrator.errors import UsageError
from .frontier import Estimate

CurveKind = Literal["average", "best", "worst", "majority", "best_by_score"]
TITLES: dict[CurveKind, str] = {
    "average": "One draw, on average",
    "best": "Best draw",
    "worst": "Worst draw",
    "majority": "Majority vote",
    "best_by_score": "Best by score",
}
ORACLES: frozenset[CurveKind] = frozenset(("best", "worst"))
TOGETHER: frozenset[CurveKind] = frozenset(("average", "best", "worst"))


class CurveRow(BaseModel):
    """The accuracy of one way to make one answer of `n` draws.

    Args:
        n: draws a query.
        kind: the way; `best` and `worst` need the answers, and are bounds that nobody can run.
        estimate: the accuracy over queries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    n: PositiveInt
    kind: CurveKind
    estimate: Estimate

    @property
    def is_oracle(self) -> bool:
        """Whether it needs the answers."""
        return self.kind in ORACLES


class Curve(BaseModel):
    """The rows of one pool of draws, in the manner of Balachandran et al. (2025, arXiv 2504.00294).

    Average, best and worst stand together at every N, as there, so that a bound is never shown by itself.

    Args:
        pool: what is drawn, in words.
        rows: in any order, each N and kind once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    pool: str
    rows: tuple[CurveRow, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        kinds: dict[int, list[CurveKind]] = {}
        for row in self.rows:
            kinds.setdefault(row.n, []).append(row.kind)
        for n, found in kinds.items():
            if len(set(found)) < len(found):
                raise UsageError(f"a curve must hold each kind once at an N, got two at {n} of {self.pool!r}; drop one")
            if missing := sorted(TOGETHER - set(found)):
                raise UsageError(
                    f"a curve must hold average, best and worst at every N, got no {' and no '.join(missing)} at {n} "
                    f"of {self.pool!r}; add it"
                )
        return self

    @property
    def kinds(self) -> tuple[CurveKind, ...]:
        """The kinds it holds, in the order of `TITLES`."""
        held = {row.kind for row in self.rows}
        return tuple(kind for kind in TITLES if kind in held)
