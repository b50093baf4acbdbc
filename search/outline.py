"""The outline of a sweep: what it would search and what that may cost, before a call is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..orchestrator.budget import COUNTED, Budget, unit_of
from ..orchestrator.data.sources import check_references
from ..orchestrator.runtime import Runtime
from .affordable import check_affordable
from .catalogue import Planner, catalogue, check_judged
from .problem import Floats
from .reports.figures import full
from .split import split
from .sweep import Sweep

COMMONEST = 3


@dataclass(frozen=True, slots=True)
class Outline:
    """What a sweep would search, and what that may cost.

    Args:
        compositions: how many may be measured.
        is_sampled: whether the space holds more than that.
        refused: combinations of values that cannot be measured, by reason.
        development: queries that are searched on.
        confirmation: queries that no search sees.
        most: (compositions, dimensions) the most that a query may cost, in the order of `COUNTED`.
        critical_path: the most calls in sequence of any composition.
        budget: of the sweep.
    """

    compositions: int
    is_sampled: bool
    refused: Mapping[str, int]
    development: int
    confirmation: int
    most: Floats
    critical_path: int
    budget: Budget

    def costs(self) -> Iterator[tuple[str, str, str, str, str]]:
        """A row a dimension in which anything may be spent, as text.

        Its name; the most that a query may cost, of the cheapest composition and of the dearest; the most that it would
        take to run every composition afresh on every query that is searched on; the budget.
        """
        for name, limit, column in zip(COUNTED, self.budget.limits(), self.most.T, strict=True):
            if not column.any() and limit is None:
                continue
            amounts = (column.min(), column.max(), column.sum() * self.development)
            low, high, fresh = (full(float(amount) / unit_of(name), name) for amount in amounts)
            yield name, low, high, fresh, "" if limit is None else full(limit / unit_of(name), name)

    def lines(self) -> Iterator[str]:
        """Everything else, in sentences."""
        drawn = ", drawn from a space too large to enumerate" if self.is_sampled else ""
        yield f"{self.compositions:,} compositions{drawn}; budget {self.budget}"
        yield f"{self.development:,} queries to search on, {self.confirmation:,} to confirm on"
        if self.refused:
            yield f"{sum(self.refused.values()):,} combinations of values are no composition that can be measured:"
        ordered = sorted(self.refused.items(), key=lambda each: -each[1])
        for reason, count in ordered[:COMMONEST]:
            yield f"  {count:,}: {reason}"
        if len(ordered) > COMMONEST:
            yield f"  {sum(count for _, count in ordered[COMMONEST:]):,}: for {len(ordered) - COMMONEST} other reasons"
        yield f"critical path, in calls for one query: at most {self.critical_path:,}"


async def outline(sweep: Sweep) -> Outline:
    """What `sweep` would do; its engines start in this process, to count tokens, and are asked nothing.

    Raises:
        UsageError: the sweep cannot work as written.
    """
    parts = split(check_references(sweep.data.load()), sweep.confirmation)
    sweep.checker.check()
    async with Runtime(sweep.engines) as runtime:
        planner = await Planner.of(runtime.engines, (*parts.development, *parts.confirmation))
        found = catalogue(sweep.space, planner, sweep.per_query, sweep.seed)
    check_judged(found, sweep.checker)
    check_affordable(sweep, found)
    return Outline(
        compositions=len(found.points),
        is_sampled=found.is_sampled,
        refused=dict(found.refused),
        development=len(parts.development),
        confirmation=len(parts.confirmation),
        most=np.asarray(found.most),
        critical_path=max(found.critical_paths),
        budget=sweep.budget,
    )
