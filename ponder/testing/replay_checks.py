"""Checks that a run is the same every time: in any order of arrival, from any prefix of its journal, by its seed."""

from __future__ import annotations

from itertools import pairwise

from ..orchestrator.budget import Budget
from ..orchestrator.canonical import canonical_json
from ..orchestrator.engines.simulated_faults import Faults
from ..orchestrator.journal_file import Row
from ..orchestrator.strategy import Strategy
from .budget_checks import NFE, TOKENS, budget_of, least_budget
from .require import require
from .rows import Rows
from .scene import Scene, play

MOST_CUTS = 64
SPEEDS = ((1, None), (64, None), (64, 1), (64, 2), (3, 3))
"""Most calls in flight, and what shuffles their ends."""


async def ignores_order_of_arrival(strategy: Strategy, scene: Scene = Scene()) -> None:
    """The same bytes whatever is in flight at once and whatever ends first, under tight budgets and faults too."""
    usage = (await play(strategy, scene)).result.usage
    dimension, spent = (TOKENS, usage.total_tokens) if usage.total_tokens or not usage.nfe else (NFE, usage.nfe)
    least = await least_budget(strategy, dimension, scene)
    limits = sorted({max(least, spent * 2 // 3), max(least, spent * 9 // 10)})
    for faults in (Faults(), Faults(refused=0.3, overrun=0.3, unavailable=0.2)):
        for budget in (Budget(), *(budget_of(dimension, limit) for limit in limits)):
            here = scene.but(budget=budget, faults=faults)
            speeds = [here.but(max_in_flight=most).behaving(shuffle=shuffle) for most, shuffle in SPEEDS]
            found = {canonical_json((await play(strategy, speed)).result) for speed in speeds}
            rule = f"the result must not depend on speed ({budget}, {faults!r})"
            require(len(found) == 1, rule, f"{len(found)} results")


async def draws_by_its_seed(strategy: Strategy) -> None:
    """The same seed gives the same bytes; another one gives other draws."""
    one, same, *others = [(await play(strategy, Scene(seed=seed))).result for seed in (1, 1, 2, 3, 4, 5)]
    require(canonical_json(one) == canonical_json(same), "the same seed must give the same bytes")
    differ = any(one.usage != other.usage or one.candidates != other.candidates for other in others)
    require(differ, "another seed must give other draws")


async def resumes_from_any_row(strategy: Strategy, scene: Scene = Scene()) -> None:
    """A journal cut after any row gives the same result, and only what it does not hold is paid.

    A strategy that `is_speculative` may have cancelled calls, which the journal does not hold: they may be paid for
    again, but no effect is. Of a long journal some cuts are tried, see `cuts`.
    """
    first = await play(strategy, scene)
    for cut in cuts(first.store.rows):
        held = Rows(first.store.rows[:cut])
        before = held.paid()
        again = await play(strategy, scene, held)
        where = f"resumed after row {cut} of {len(first.store.rows)}"
        same = canonical_json(again.result) == canonical_json(first.result)
        require(same, f"{where}, the result must be the same", again.result.summary())
        effects = held.effects()
        require(len(set(effects)) == len(effects), f"{where}, no effect may be paid twice")
        if not strategy.is_speculative:
            both = again.done.paid + before
            require(both == first.done.paid, f"{where}, the rest alone must be paid", (both, first.done.paid))


def cuts(rows: list[Row]) -> list[int]:
    """After how many rows to cut a journal: after each of up to 64.

    Of a longer one, the first, the middle and the last cut between each two kinds of rows that follow one another, and
    64 spread evenly.
    """
    if len(rows) <= MOST_CUTS:
        return list(range(len(rows) + 1))
    between: dict[tuple[str, str], list[int]] = {}
    for cut, ((before, _), (after, _)) in enumerate(pairwise(rows), 1):
        between.setdefault((before, after), []).append(cut)
    chosen = {each for found in between.values() for each in (found[0], found[len(found) // 2], found[-1])}
    return sorted(chosen | {len(rows) * i // MOST_CUTS for i in range(MOST_CUTS + 1)})
