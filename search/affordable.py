"""What a sweep must be able to pay: one query of its cheapest composition, within its budget and its highest level."""

from __future__ import annotations

from ..orchestrator.budget import COUNTED, amounts, unit_of
from ..orchestrator.errors import UsageError
from .catalogue import Catalogue
from .reports.figures import counted
from .sweep import Sweep


def check_affordable(sweep: Sweep, catalogue: Catalogue) -> None:
    """Refuse, before a call is made, what even one query of the cheapest composition does not fit in.

    Raises:
        UsageError: the budget is too small, or every level is, or nothing costs anything in what levels are in.
    """
    column = COUNTED.index(sweep.by)
    if not catalogue.most[:, column].any():
        raise UsageError(
            f"compositions must cost something in what levels are in, but none costs any {sweep.by}; set by to another "
            "dimension, or give the engines their prices"
        )
    least = min(catalogue.least, key=lambda usage: amounts(usage)[column])
    if not sweep.budget.fits(least):
        limits = zip(COUNTED, amounts(least), sweep.budget.limits(), strict=True)
        short = [_counted(amount, name) for name, amount, limit in limits if limit is not None and amount > limit]
        raise UsageError(
            f"the budget must pay for one query of the cheapest composition, which takes {', '.join(short)} at least, "
            f"got {sweep.budget}; raise it"
        )
    cheapest = amounts(least)[column]
    if sweep.levels and sweep.levels[-1] < cheapest / unit_of(sweep.by):
        raise UsageError(
            f"levels must leave room for a composition, but the cheapest takes {_counted(cheapest, sweep.by)} at "
            f"least, got {counted(sweep.levels[-1], sweep.by)} as the highest; raise it"
        )


def _counted(amount: int, dimension: str) -> str:
    return counted(amount / unit_of(dimension), dimension)
