"""What every strategy and every verifier must keep, as checks that a plug-in's own tests can run.

A check of strategies is a coroutine function of a strategy that starts from a query: ``await check(strategy)``. It
plays the strategy on simulated engines, or, one that makes images, on a denoiser and a classifier in closed form, as
often as it takes, and raises `AssertionError` with the rule and what came.
A strategy that works on candidates is checked at the end of a pipeline. It may name any engines; it should draw some
dozens of candidates at most, and be quick.

>>> import asyncio
>>> from ponder.strategies import Sample
>>> for check in STRATEGY_CHECKS:
...     asyncio.run(check(Sample(n=2, max_tokens=40)))

A check of verifiers is one of a verifier and of the bench that it is tried on, with a query, candidates and what
engines say: ``await check(verifier, Bench(says=reply))``. The simulated model's own problem and draws are the default.

>>> from ponder.verifiers import ExactMatch
>>> for check in VERIFIER_CHECKS:
...     asyncio.run(check(ExactMatch()))
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from ..orchestrator.strategy import Strategy
from ..orchestrator.verifier import Verifier
from .bench import Bench
from .budget_checks import is_estimated, never_overspends, usage_is_what_was_paid
from .cost_checks import (
    fits_what_is_set_aside,
    is_bounded,
    is_paid_once,
    judges_within_any_budget,
    judging_resumes_from_any_row,
    tells_what_it_costs,
)
from .failure_checks import (
    ends_at_the_deadline,
    leaves_nothing_behind,
    survives_dead_engines,
    survives_engine_faults,
    survives_failing_verifiers,
)
from .form_checks import ignores_order_of_candidates, is_data, reads_only_what_was_generated
from .image_checks import returns_whole_images
from .judge_failure_checks import (
    judging_ends_at_the_deadline,
    judging_ignores_order_of_arrival,
    judging_leaves_nothing_behind,
    survives_dead_judges,
    survives_lost_judgements,
    survives_mangled_replies,
)
from .loss_checks import keeps_what_survives
from .path_checks import judges_within_its_depth, keeps_to_its_critical_path
from .replay_checks import draws_by_its_seed, ignores_order_of_arrival, resumes_from_any_row
from .score_checks import bears_odd_candidates, follows_its_candidates, judges_each_by_itself, scores_each_candidate
from .verifier_form_checks import asks_whom_it_names, can_be_checked_again, is_plain_data, needs_what_it_says


class VerifierCheck(Protocol):
    """A check of verifiers."""

    async def __call__(self, verifier: Verifier, bench: Bench = ...) -> None: ...


Check = Callable[[Strategy], Awaitable[None]]

STRATEGY_CHECKS: tuple[Check, ...] = (
    never_overspends,
    usage_is_what_was_paid,
    is_estimated,
    keeps_to_its_critical_path,
    ignores_order_of_arrival,
    draws_by_its_seed,
    resumes_from_any_row,
    keeps_what_survives,
    survives_engine_faults,
    survives_dead_engines,
    survives_failing_verifiers,
    ends_at_the_deadline,
    leaves_nothing_behind,
    returns_whole_images,
    is_data,
    reads_only_what_was_generated,
    ignores_order_of_candidates,
)

VERIFIER_CHECKS: tuple[VerifierCheck, ...] = (
    scores_each_candidate,
    follows_its_candidates,
    judges_each_by_itself,
    bears_odd_candidates,
    tells_what_it_costs,
    is_bounded,
    judges_within_its_depth,
    is_paid_once,
    judging_resumes_from_any_row,
    judges_within_any_budget,
    fits_what_is_set_aside,
    judging_ignores_order_of_arrival,
    survives_dead_judges,
    survives_lost_judgements,
    survives_mangled_replies,
    judging_ends_at_the_deadline,
    judging_leaves_nothing_behind,
    is_plain_data,
    can_be_checked_again,
    asks_whom_it_names,
    needs_what_it_says,
)

__all__ = [
    "STRATEGY_CHECKS",
    "VERIFIER_CHECKS",
    "Bench",
    "Check",
    "VerifierCheck",
    "asks_whom_it_names",
    "bears_odd_candidates",
    "can_be_checked_again",
    "draws_by_its_seed",
    "ends_at_the_deadline",
    "fits_what_is_set_aside",
    "follows_its_candidates",
    "ignores_order_of_arrival",
    "ignores_order_of_candidates",
    "is_bounded",
    "is_data",
    "is_estimated",
    "is_paid_once",
    "is_plain_data",
    "judges_each_by_itself",
    "judges_within_any_budget",
    "judges_within_its_depth",
    "judging_ends_at_the_deadline",
    "judging_ignores_order_of_arrival",
    "judging_leaves_nothing_behind",
    "judging_resumes_from_any_row",
    "keeps_to_its_critical_path",
    "keeps_what_survives",
    "leaves_nothing_behind",
    "needs_what_it_says",
    "never_overspends",
    "reads_only_what_was_generated",
    "resumes_from_any_row",
    "returns_whole_images",
    "scores_each_candidate",
    "survives_dead_engines",
    "survives_dead_judges",
    "survives_engine_faults",
    "survives_failing_verifiers",
    "survives_lost_judgements",
    "survives_mangled_replies",
    "tells_what_it_costs",
    "usage_is_what_was_paid",
]
