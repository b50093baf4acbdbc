"""Checks of what a strategy spends: never too much, always accounted for, and foreseen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from ..orchestrator.budget import COUNTED, Budget, amounts, unit_of
from ..orchestrator.canonical import canonical_json
from ..orchestrator.engines.simulated_faults import Faults
from ..orchestrator.errors import BudgetExceeded
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Usage
from .moods import MOODS, in_mood
from .require import require
from .scene import Played, Scene, estimated, play
from .sound_candidates import require_sound

TOKENS, NFE = "total_tokens", "nfe"
LOSSES = Faults(unavailable=0.2, refused=0.2, garbage=0.1, empty=0.1, cut=0.1)
LOOKS = 24
"""Budgets tried, evenly, of a strategy that looks at the amounts of its room; others are tried at every one."""


@dataclass(frozen=True, slots=True)
class AtLimit:
    """What came of a run under one limit: `played`, or `refused` for a budget that cannot pay for one attempt."""

    limit: int
    played: Played | None = None
    refused: BudgetExceeded | None = None


async def never_overspends(strategy: Strategy, scene: Scene = Scene()) -> None:
    """At every budget of every dimension: refused with the figure, or within the budget, with an answer and a reason.

    The engines' own counts decide, so that a call past the ledger is seen. Every budget of tokens or evaluations is
    tried on engines that fail now and then too.
    """
    whole = await play(strategy, scene)
    most = spent_in(dict(zip(COUNTED, amounts((await estimated(strategy, scene)).most), strict=True)))
    for dimension in most:
        drawn = 0
        async for at in every_budget(strategy, dimension, most[dimension], scene):
            _check_limit(at, dimension, whole)
            if at.played is not None:
                calls = at.played.result.usage.calls
                require(calls >= drawn, f"a larger budget must not draw less (at {dimension} = {at.limit})", calls)
                drawn = calls
        require(drawn == whole.result.usage.calls, f"enough {dimension} must pay for the whole run", drawn)
    for dimension in {TOKENS, NFE} & most.keys():
        async for at in every_budget(strategy, dimension, most[dimension], scene.but(faults=LOSSES)):
            if at.played is not None:
                _check_spending(at, at.played, dimension)


def spent_in(figures: dict[str, int]) -> dict[str, int]:
    """The dimensions that a strategy may spend in."""
    return {name: amount for name, amount in figures.items() if amount}


async def every_budget(strategy: Strategy, dimension: str, most: int, scene: Scene = Scene()) -> AsyncIterator[AtLimit]:
    """Runs under every limit from 0 at which anything can differ, up to one that refuses nothing.

    Between two limits that are visited, the ledger proves that nothing changes (see `probed_ledger`). Where a strategy
    looks at the amounts of its room, which proves nothing, 24 limits more are visited, up to `most`.
    """
    limit: int | None = 0
    while limit is not None:
        at = await _at_limit(strategy, dimension, limit, scene)
        yield at
        if at.played is None:
            assert at.refused is not None
            limit = round(at.refused.wanted * unit_of(dimension))
            require(limit > at.limit, f"{dimension} = {at.limit} must not be refused where it could be paid", limit)
            continue
        following = at.played.ledger.next_limit()
        rule = f"a budget of the whole estimate ({dimension} = {most}) must refuse nothing"
        require(following is None or limit < most, rule, f"a refusal at {limit}")
        if at.played.ledger.is_looked_at and limit < most:
            stride = limit + max(1, most // LOOKS)
            following = stride if following is None else min(following, stride)
        limit = following


async def least_budget(strategy: Strategy, dimension: str, scene: Scene = Scene()) -> int:
    """The least limit that pays for one attempt."""
    limit, at = 0, await _at_limit(strategy, dimension, 0, scene)
    while at.refused is not None and (limit := round(at.refused.wanted * unit_of(dimension))) > at.limit:
        at = await _at_limit(strategy, dimension, limit, scene)
    return at.limit


async def _at_limit(strategy: Strategy, dimension: str, limit: int, scene: Scene) -> AtLimit:
    try:
        return AtLimit(limit, await play(strategy, scene.but(budget=budget_of(dimension, limit))))
    except BudgetExceeded as error:
        return AtLimit(limit, refused=error)


def budget_of(dimension: str, limit: int) -> Budget:
    """The budget of `limit` whole units in one dimension."""
    return Budget.model_validate({dimension: limit if unit_of(dimension) == 1 else limit / unit_of(dimension)})


def _check_limit(at: AtLimit, dimension: str, whole: Played) -> None:
    where = f"at {dimension} = {at.limit}"
    if at.played is None:
        require(at.refused is not None and at.refused.dimension == dimension, f"{where}, the refusal must name it")
        return
    _check_spending(at, at.played, dimension)
    result = at.played.result
    require(bool(result.candidates), f"{where}, what was drawn must be answered with", result.reason)
    if result.stopped == "done":
        same = canonical_json(result.candidates) == canonical_json(whole.result.candidates)
        require(same, f"{where}, a run that ends as done must give what it gives without a budget")
    else:
        require(result.stopped == "budget", f"{where}, a run must end by its budget", result.stopped)
        require(result.reason.startswith(dimension), f"{where}, the reason must name the dimension", result.reason)


def _check_spending(at: AtLimit, played: Played, dimension: str) -> None:
    where, place = f"at {dimension} = {at.limit}", COUNTED.index(dimension)
    usage, served = played.result.usage, played.seen.served
    require(amounts(usage)[place] <= at.limit, f"{where}, usage must stay within it", usage)
    require(amounts(served)[place] <= at.limit, f"{where}, the engines must be asked for no more", served)
    require_sound(played, where)
    if played.seen.attempts:
        require(bool(played.result.candidates), f"{where}, an attempt that came back must be answered with")


async def usage_is_what_was_paid(strategy: Strategy) -> None:
    """What a run reports is what the journal holds and what the engines served, each effect once.

    A strategy that `is_speculative` may report more, since it is charged in full for what it cancels, never less.
    """
    played = await play(strategy)
    usage, paid, served = played.result.usage, played.done.paid, played.seen.served
    require(paid == played.store.paid(), "what was paid must be the journal's sum", (paid, played.store.paid()))
    if strategy.is_speculative:
        require(_covers(usage, paid), "usage must cover what was paid", (usage, paid))
        require(_covers(paid, served), "what was paid must cover what the engines served", (paid, served))
        return
    require(usage == paid, "usage must be what was paid", (usage, paid))
    require(served == paid, "what the engines served must be what was paid", (served, paid))
    calls = len(played.store.effects())
    require(usage.calls + usage.verifier_calls == calls, "each effect must be one call", (usage, calls))


def _covers(more: Usage, less: Usage) -> bool:
    return all(one >= other for one, other in zip(amounts(more), amounts(less), strict=True))


async def is_estimated(strategy: Strategy) -> None:
    """The estimate made before a call brackets what is spent in every dimension, however the draws turn out."""
    await brackets(strategy, circumstances(Scene()))
    for mood in MOODS:
        if mood != "raises":
            await brackets(in_mood(strategy, mood), [Scene()], of=strategy)


def circumstances(scene: Scene) -> list[Scene]:
    """The scene with draws of all kinds."""
    seeds = [scene.but(seed=seed) for seed in range(5)]
    faults = [scene.but(faults=Faults(**{fault: 1.0})) for fault in ("empty", "garbage", "cut")]
    return [*seeds, scene.but(cache_block=4), scene.but(is_certain=True), *faults]


async def brackets(strategy: Strategy, scenes: Sequence[Scene], of: Strategy | None = None) -> None:
    """The estimate, of another strategy where one is named, brackets what is spent in each scene.

    Raises:
        AssertionError: it does not.
    """
    estimate = await estimated(of or strategy, scenes[0])
    least, most = amounts(estimate.least), amounts(estimate.most)
    for scene in scenes:
        spent = amounts((await play(strategy, scene)).result.usage)
        for name, low, value, high in zip(COUNTED, least, spent, most, strict=True):
            require(low <= value <= high, f"the estimate of {name} must bracket what is spent", (low, value, high))
