"""What every strategy must keep, as checks that a plug-in's own tests can run.

Each check is a coroutine function of a strategy that starts from a query: ``await check(strategy)``. It plays the
strategy on simulated engines, as often as it takes, and raises `AssertionError` with the rule and what came instead.
A strategy that works on candidates is checked at the end of a pipeline. It may name any engines; it should draw some
dozens of candidates at most, and be quick.

>>> import asyncio
>>> from ponder.strategies import Sample
>>> for check in STRATEGY_CHECKS:
...     asyncio.run(check(Sample(n=2, max_tokens=40)))
"""

from collections.abc import Awaitable, Callable

from ..orchestrator.strategy import Strategy
from .budget_checks import is_estimated, never_overspends, usage_is_what_was_paid
from .failure_checks import (
    ends_at_the_deadline,
    leaves_nothing_behind,
    survives_dead_engines,
    survives_engine_faults,
    survives_failing_verifiers,
)
from .form_checks import ignores_order_of_candidates, is_data, reads_only_what_was_generated
from .loss_checks import keeps_what_survives
from .replay_checks import draws_by_its_seed, ignores_order_of_arrival, resumes_from_any_row

Check = Callable[[Strategy], Awaitable[None]]

STRATEGY_CHECKS: tuple[Check, ...] = (
    never_overspends,
    usage_is_what_was_paid,
    is_estimated,
    ignores_order_of_arrival,
    draws_by_its_seed,
    resumes_from_any_row,
    keeps_what_survives,
    survives_engine_faults,
    survives_dead_engines,
    survives_failing_verifiers,
    ends_at_the_deadline,
    leaves_nothing_behind,
    is_data,
    reads_only_what_was_generated,
    ignores_order_of_candidates,
)

__all__ = [
    "STRATEGY_CHECKS",
    "Check",
    "draws_by_its_seed",
    "ends_at_the_deadline",
    "ignores_order_of_arrival",
    "ignores_order_of_candidates",
    "is_data",
    "is_estimated",
    "keeps_what_survives",
    "leaves_nothing_behind",
    "never_overspends",
    "reads_only_what_was_generated",
    "resumes_from_any_row",
    "survives_dead_engines",
    "survives_engine_faults",
    "survives_failing_verifiers",
    "usage_is_what_was_paid",
]
