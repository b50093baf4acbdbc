"""Room for many equal parts at once is the room that they would get one by one."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from operator import add
from typing import Any

import pytest
from test_budget import DIMENSIONS, Machine, budget_of, usage_of

from ponder.orchestrator.budget import Budget, Ledger, Reservation, amounts
from ponder.orchestrator.errors import BudgetExceeded
from ponder.orchestrator.types import Usage

SMALL = Usage(9, 0, 9, 1, 1, 5, 60, 90, 70)
MOST = 7
WISHES = 12
SPEEDS = (0, 1, 5)
Wish = tuple[Usage, Usage, int, Usage]
"""What a part costs, what is kept after it, how many parts there are, and what they leave."""


def wishes_of(rng: random.Random) -> list[Wish]:
    """Some wishes of a strategy, one after the other."""
    leaving = [usage_of(rng, SMALL) if rng.random() < 0.5 else Usage() for _ in range(WISHES)]
    rests = [usage_of(rng, SMALL) if rng.random() < 0.3 else Usage() for _ in range(WISHES)]
    return [(usage_of(rng, SMALL), rest, rng.randint(1, MOST), left) for rest, left in zip(rests, leaving, strict=True)]


class Spender:
    """Asks for parts in turn; each ends some turns of the event loop after it has begun, and costs what it may."""

    def __init__(self, budget: Budget, rng: random.Random, slowest: int) -> None:
        self.ledger = Ledger(budget)
        self._rng, self._slowest = rng, slowest
        self._ending: list[asyncio.Task[None]] = []
        self._kept: list[Reservation] = []

    def begin(self, held: Reservation, spent: Usage, rest: Usage) -> None:
        self._ending.append(asyncio.create_task(self._end(held, spent, rest)))

    async def _end(self, held: Reservation, spent: Usage, rest: Usage) -> None:
        for _ in range(self._rng.randint(0, self._slowest)):
            await asyncio.sleep(0)
        if rest == Usage():
            held.settle(spent)
        else:
            held.settle_keeping(spent, rest)
            self._kept.append(held)

    async def end(self) -> Usage:
        """What was spent, once all parts have ended."""
        await asyncio.gather(*self._ending)
        for held in self._kept:
            held.release()
        assert self.ledger.outstanding == 0
        return self.ledger.spent


async def at_once(spender: Spender, wish: Wish) -> int:
    """How many parts are begun, as many as there is room for at a time."""
    cost, rest, most, leaving = wish
    begun = 0
    while begun < most:
        try:
            held, parts = await spender.ledger.reserve_most(cost + rest, most - begun, leaving)
        except BudgetExceeded:
            break
        spender.begin(held, cost.times(parts), rest.times(parts))
        begun += parts
    return begun


async def one_by_one(spender: Spender, wish: Wish) -> int:
    """How many parts are begun, each with room of its own."""
    cost, rest, most, leaving = wish
    for begun in range(most):
        try:
            held = await spender.ledger.reserve(cost + rest + leaving)
        except BudgetExceeded:
            return begun
        spender.begin(held, cost, rest)
    return most


def by_hand(budget: Budget, wishes: list[Wish]) -> list[int]:
    """How many parts fit: what was spent and kept before, the parts, and what they leave."""
    taken, found = (0,) * DIMENSIONS, []
    for cost, rest, most, leaving in wishes:
        part = amounts(cost + rest)
        left = map(add, taken, amounts(leaving))
        free = [None if limit is None else limit - each for limit, each in zip(budget.limits(), left, strict=True)]
        fits = [room // each if each else most for room, each in zip(free, part, strict=True) if room is not None]
        is_over = any(room is not None and room < 0 for room in free)
        found.append(0 if is_over else min([most, *fits]))
        taken = tuple(map(add, taken, amounts((cost + rest).times(found[-1]))))
    return found


async def served(
    budget: Budget, wishes: list[Wish], ask: Callable[[Spender, Wish], Coroutine[Any, Any, int]], slowest: int
) -> tuple[list[int], Usage]:
    spender = Spender(budget, random.Random(slowest), slowest)
    found = [await ask(spender, wish) for wish in wishes]
    return found, await spender.end()


@pytest.mark.parametrize("block", range(4))
async def test_as_many_as_one_by_one_at_any_speed(block: int) -> None:
    cut = 0
    for seed in range(block * 40, (block + 1) * 40):
        rng = random.Random(seed)
        budget, wishes = budget_of(rng), wishes_of(rng)
        found = [await served(budget, wishes, ask, slow) for ask in (at_once, one_by_one) for slow in SPEEDS]
        parts, spent = found[0]
        assert parts == by_hand(budget, wishes), seed
        assert all(each == (parts, spent) for each in found), seed
        assert budget.fits(spent)
        cut += parts != [most for _, _, most, _ in wishes]
    assert cut > 20


class Batches(Machine):
    """The machine of the ledger's own tests, which asks for many parts too, and parts what it holds."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.wishes: dict[int, tuple[Usage, int, Usage]] = {}
        self.parted = 0

    def ask(self) -> None:
        if self.rng.random() < 0.4:
            super().ask()
            return
        bound, most = usage_of(self.rng), self.rng.randint(1, MOST)
        leaving = usage_of(self.rng, SMALL) if self.rng.random() < 0.5 else Usage()
        self.wishes[self.asked] = (bound, most, leaving)
        self.waiting[self.asked] = (bound + leaving, asyncio.create_task(self.granted_most(bound, most, leaving)))
        self.asked += 1

    async def granted_most(self, bound: Usage, most: int, leaving: Usage) -> Reservation:
        held, parts = await self.ledger.reserve_most(bound, most, leaving)
        assert 1 <= parts <= most
        assert held.bound == bound.times(parts) + leaving
        return held

    def finish_one(self) -> None:
        if self.rng.random() < 0.2:
            number = self.rng.choice(list(self.open))
            whole = self.open[number]
            before = whole.bound
            self.parted -= 1
            part = self.open[self.parted] = whole.split(usage_of(self.rng, before))
            assert (whole.bound + part.bound, part.is_kept) == (before, whole.is_kept)
            self.kept |= {self.parted} if part.is_kept else set()
        else:
            super().finish_one()

    def check_nobody_waits_in_vain(self) -> None:
        alive = [n for n, (_, task) in self.waiting.items() if not task.done() and not task.cancelling()]
        self.waited += len(alive)
        if alive and alive[0] in self.wishes:
            bound, most, leaving = self.wishes[alive[0]]
            kept = [sum(column) for column in zip((0,) * DIMENSIONS, *self.kept_amounts(), strict=True)]
            certain = map(add, map(add, amounts(self.spent), kept), amounts(leaving))
            limited = list(zip(self.limits, certain, amounts(bound), strict=True))
            fits = [(limit - used) // each for limit, used, each in limited if limit is not None and each]
            wanted = bound.times(min([most, *fits])) + leaving
            taken = map(add, amounts(self.spent), self.held())
            free = [None if limit is None else limit - used for limit, used in zip(self.limits, taken, strict=True)]
            assert any(r is not None and r < w for r, w in zip(free, amounts(wanted), strict=True)), "it would fit"
        elif alive:
            super().check_nobody_waits_in_vain()

    def kept_amounts(self) -> list[tuple[int, ...]]:
        return [amounts(self.open[number].bound) for number in self.kept]


async def test_random_fire_with_many_parts_never_breaks_the_ledger() -> None:
    granted = waited = parted = 0
    for seed in range(12):
        machine = Batches(seed)
        for _ in range(800):
            await machine.step()
        await machine.wind_down()
        granted, waited, parted = granted + machine.granted, waited + machine.waited, parted - machine.parted
    assert granted > 500
    assert waited > 2000
    assert parted > 200


async def test_it_waits_until_all_parts_that_may_fit_do() -> None:
    ledger = Ledger(Budget(nfe=10))
    first = await ledger.reserve(Usage(nfe=5))
    wish = asyncio.create_task(ledger.reserve_most(Usage(nfe=3), 3))
    await asyncio.sleep(0)
    assert not wish.done()
    first.settle(Usage(nfe=2))
    held, parts = await wish
    assert (parts, held.bound) == (2, Usage(nfe=6))


async def test_what_it_leaves_is_held_until_the_parts_have_ended() -> None:
    ledger = Ledger(Budget(nfe=10))
    held, parts = await ledger.reserve_most(Usage(nfe=2), 9, Usage(nfe=3))
    assert (parts, ledger.room().nfe) == (3, 1)
    held.settle(Usage(nfe=6))
    assert ledger.room().nfe == 4
    with pytest.raises(BudgetExceeded, match="nfe: may need 5, 4 left"):
        await ledger.reserve_most(Usage(nfe=2), 1, Usage(nfe=3))


async def test_a_cancelled_wish_holds_nothing_and_lets_the_next_in() -> None:
    ledger = Ledger(Budget(calls=4))
    held = await ledger.reserve(Usage(calls=1))
    wish = asyncio.create_task(ledger.reserve_most(Usage(calls=1), 9, Usage(calls=1)))
    after = asyncio.create_task(ledger.reserve(Usage(calls=3)))
    await asyncio.sleep(0)
    wish.cancel()
    assert (await after).bound == Usage(calls=3)
    assert (ledger.outstanding, ledger.room().calls) == (2, 0)
    held.release()


async def test_a_wish_ends_at_the_deadline() -> None:
    ledger = Ledger(Budget(calls=4, seconds=0.02))
    await ledger.reserve(Usage(calls=1))
    with pytest.raises(BudgetExceeded, match="seconds"):
        await ledger.reserve_most(Usage(calls=2), 2)
    assert ledger.outstanding == 1


async def test_parts_that_cost_nothing_all_fit() -> None:
    held, parts = await Ledger(Budget(calls=0)).reserve_most(Usage(), 5)
    assert (parts, held.bound) == (5, Usage())
