"""Whether what is planned can be paid for, whatever it turns out to need."""

from __future__ import annotations

from ..orchestrator.budget import amounts
from ..orchestrator.context import Context
from ..orchestrator.shape import Plan


def is_affordable(plan: Plan, ctx: Context) -> bool:
    """Whether the budget holds the most that `plan` counts: then no order of arrival can end the run within it."""
    limits = zip(amounts(plan.estimate.most), ctx.room().limits(), strict=True)
    return not ctx.is_stopped and all(limit is None or amount <= limit for amount, limit in limits)
