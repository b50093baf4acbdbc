"""Budgets as people write them: ``total_tokens=20k``."""

from __future__ import annotations

from collections import Counter

from pydantic import ValidationError

from .orchestrator.budget import Budget
from .orchestrator.errors import UsageError

UNITS = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}


def parse_budget(limits: list[str] | None) -> Budget | None:
    """The budget that ``NAME=AMOUNT`` limits name; amounts may end in k, M, G, T or P.

    Raises:
        UsageError: a limit that is not of that form, or no dimension of a budget.
    """
    if not limits:
        return None
    named = [_limit(limit) for limit in limits]
    if twice := [name for name, count in Counter(name for name, _ in named).items() if count > 1]:
        raise UsageError(f"a budget must limit {twice[0]} once, but it stands twice; leave one of them out")
    try:
        return Budget.model_validate(dict(named))
    except ValidationError as error:
        raise UsageError.from_validation("the budget", error) from None


def _limit(text: str) -> tuple[str, float | int]:
    name, _, amount = text.partition("=")
    scale = UNITS.get(amount[-1:], 1)
    try:
        value = float(amount[:-1] if scale != 1 else amount) * scale
    except ValueError:
        raise UsageError(f"a budget must be NAME=AMOUNT such as total_tokens=20k, got {text!r}; write it so") from None
    if name not in Budget.model_fields:
        known = ", ".join(Budget.model_fields)
        raise UsageError(f"a budget must limit one of {known}, got {name!r}; name one of them")
    return name, int(value) if value.is_integer() else value
