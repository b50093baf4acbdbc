"""What a search paid, and what it did not have to."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt, model_validator

from ...orchestrator.errors import UsageError
from .frontier import Amount

Amounts = dict[str, Amount]


class Spending(BaseModel):
    """The ledger of a search, by dimension; money in dollars.

    Args:
        spent: what was paid for everything that stands, each effect once; calls that failed or were cut off are not in
            it, so that a search that was killed tells the same.
        fresh: what all that was measured would have cost had nothing been shared; empty where not known.
        phases: what each phase paid of `spent`, by its name, in the order they ran.
        failures: answers that were lost; each counts as wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    spent: Amounts = {}
    fresh: Amounts = {}
    phases: dict[str, Amounts] = {}
    failures: NonNegativeInt = 0

    @model_validator(mode="after")
    def _phases_fit(self) -> Self:
        for dimension, spent in self.spent.items():
            total = sum(phase.get(dimension, 0.0) for phase in self.phases.values())
            if total > spent * (1 + 1e-9) + 1e-9:
                raise UsageError(
                    f"phases must not pay more than was spent, got {total:g} of {spent:g} in {dimension!r}; "
                    "count each effect in one phase"
                )
        return self

    def replayed(self, dimension: str) -> float:
        """What was measured without paying for it, in `dimension`."""
        return max(0.0, self.fresh.get(dimension, 0.0) - self.spent.get(dimension, 0.0))

    def saved(self, dimension: str) -> float | None:
        """The share of a fresh measurement of everything that reuse saved; None where it is not known.

        >>> Spending(spent={"calls": 25}, fresh={"calls": 100}).saved("calls")
        0.75
        """
        fresh = self.fresh.get(dimension)
        return self.replayed(dimension) / fresh if fresh else None

    def share(self, phase: str, dimension: str) -> float | None:
        """The share of a phase in what was spent; None where it is not known."""
        spent, paid = self.spent.get(dimension), self.phases.get(phase, {}).get(dimension)
        return paid / spent if spent and paid is not None else None
