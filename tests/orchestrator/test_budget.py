"""The ledger never goes over, in any dimension, whatever happens in whatever order."""

import asyncio
import math
import random
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.orchestrator.budget import COUNTED, NANO, Budget, Ledger, Reservation, amounts
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World, simulated_dataset
from ponder.orchestrator.errors import BudgetExceeded
from ponder.orchestrator.journal import Journal, Memory
from ponder.orchestrator.types import Candidate, Usage

DIMENSIONS = len(COUNTED)
ROUNDS = 50
STEPS = 2_200


BOUND = Usage(60, 0, 60, 3, 3, 30, 500, 900, 700)


def usage_of(rng: random.Random, most: Usage = BOUND) -> Usage:
    """A random usage, in no dimension more than `most`."""
    return Usage(*(rng.randint(0, getattr(most, name)) for name in Usage.__slots__))


def little_of(rng: random.Random, most: Usage) -> Usage:
    """A usage so small that a budget lasts for many of them."""
    return Usage(*(min(getattr(most, name), int(rng.random() < 0.05)) for name in Usage.__slots__))


def budget_of(rng: random.Random) -> Budget:
    """A random budget that a few of the largest bounds fill, in some of the dimensions."""
    tops = dict(zip(COUNTED, amounts(BOUND), strict=True))
    limits: dict[str, float] = {n: int(top * rng.uniform(1, 6)) for n, top in tops.items() if rng.random() < 0.5}
    limits |= {name: limits[name] / 1e9 for name in NANO if name in limits}
    return Budget.model_validate(limits)


class Machine:
    """One ledger under random fire, beside a plain account of what it should hold."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        seconds = self.rng.choice([None, None, 40.0, 1e6])
        self.budget = budget_of(self.rng).model_copy(update={"seconds": seconds})
        self.ledger = Ledger(self.budget, clock=lambda: self.now)
        self.limits = self.budget.limits()
        self.asked = 0
        self.waiting: dict[int, tuple[Usage, asyncio.Task[Reservation]]] = {}
        self.open: dict[int, Reservation] = {}
        self.kept: set[int] = set()
        self.spent = Usage()
        self.last_granted = -1
        self.granted = self.waited = 0
        self.most_certain = [0] * DIMENSIONS

    def ask(self) -> None:
        bound = usage_of(self.rng)
        self.waiting[self.asked] = (bound, asyncio.create_task(self.ledger.reserve(bound)))
        self.asked += 1

    def finish_one(self) -> None:
        number = self.rng.choice(list(self.open))
        reservation = self.open[number]
        match self.rng.randrange(60):
            case 0:
                used = usage_of(self.rng, reservation.bound)
                reservation.settle(used)
            case 1:
                used = reservation.bound
                reservation.charge_in_full()
            case choice if choice < 10:
                used = Usage()
                reservation.release()
            case choice if choice < 20:
                used = self.spend_as_child(reservation.bound)
                reservation.settle(used)
            case choice if choice < 35:
                self.keep(number, reservation)
                return
            case _:
                used = little_of(self.rng, reservation.bound)
                reservation.settle(used)
        self.spent += used
        del self.open[number]
        self.kept.discard(number)
        reservation.settle(Usage(999, 0, 999))
        reservation.settle_keeping(Usage(999, 0, 999), Usage(7))

    def keep(self, number: int, reservation: Reservation) -> None:
        rest = usage_of(self.rng, reservation.bound)
        most = Usage(*(getattr(reservation.bound, name) - getattr(rest, name) for name in Usage.__slots__))
        used = little_of(self.rng, most)
        reservation.settle_keeping(used, rest)
        self.spent += used
        self.kept.add(number)

    def spend_as_child(self, bound: Usage) -> Usage:
        """Spend a bound through a ledger of its own; never more than the bound."""
        limits = dict(zip(COUNTED, amounts(bound), strict=True))
        child = Ledger(Budget.model_validate(limits | {name: limits[name] / 1e9 for name in NANO}))
        whole = drive(child.reserve(bound))
        whole.release()
        for _ in range(3):
            try:
                drive(child.reserve(part := usage_of(self.rng, bound))).settle(little_of(self.rng, part))
            except BudgetExceeded:
                assert not Budget.model_validate(child.room()).fits(part)
        return child.spent

    async def step(self) -> None:
        choice = self.rng.random()
        if choice < 0.55 and len(self.waiting) < 20:
            self.ask()
        elif choice < 0.60 and self.waiting:
            self.rng.choice(list(self.waiting.values()))[1].cancel()
        elif choice < 0.62:
            self.now += self.rng.random()
        elif self.open:
            self.finish_one()
            self.note_certain()
        if self.rng.random() < 0.7:
            await self.let_run()
        self.check_limits()

    async def let_run(self) -> None:
        """Let every task that can go on do so, then check who was let in and who was not."""
        for _ in range(4):
            await asyncio.sleep(0)
        for number in [n for n, (_, task) in self.waiting.items() if task.done()]:
            bound, task = self.waiting.pop(number)
            if task.cancelled():
                continue
            if (error := task.exception()) is None:
                assert number > self.last_granted, "first come, first served"
                self.last_granted = number
                self.granted += 1
                self.open[number] = task.result()
            else:
                self.check_refusal(error, bound)
        self.most_certain = [0] * DIMENSIONS
        self.note_certain()
        self.check_nobody_waits_in_vain()

    def check_refusal(self, error: BaseException, bound: Usage) -> None:
        assert isinstance(error, BudgetExceeded)
        if error.dimension == "seconds":
            assert self.budget.seconds is not None
            assert self.now >= self.budget.seconds
        else:
            i = COUNTED.index(error.dimension)
            limit = self.limits[i]
            assert limit is not None
            assert amounts(bound)[i] > limit - self.most_certain[i]

    def check_nobody_waits_in_vain(self) -> None:
        alive = [bound for bound, task in self.waiting.values() if not task.done() and not task.cancelling()]
        self.waited += len(alive)
        if alive:
            assert self.open, "someone waits and nobody is left to settle"
            taken = [s + h for s, h in zip(amounts(self.spent), self.held(), strict=True)]
            wanted = amounts(alive[0])
            assert any(lim is not None and t + w > lim for t, w, lim in zip(taken, wanted, self.limits, strict=True))

    def note_certain(self) -> None:
        """Remember what was spent or kept at most since refusals were looked at last."""
        kept = [amounts(self.open[number].bound) for number in self.kept]
        now = [sum(column) for column in zip(amounts(self.spent), *kept, strict=True)]
        self.most_certain = [max(pair) for pair in zip(now, self.most_certain, strict=True)]

    def held(self) -> list[int]:
        return [
            sum(column)
            for column in zip([0] * DIMENSIONS, *(amounts(r.bound) for r in self.open.values()), strict=True)
        ]

    def check_limits(self) -> None:
        assert self.ledger.spent == self.spent
        room = self.ledger.room().limits()
        for i, limit in enumerate(self.limits):
            if limit is not None:
                assert 0 <= room[i] <= limit - amounts(self.spent)[i] - self.held()[i]  # type: ignore[operator]

    async def wind_down(self) -> None:
        while self.open or self.waiting:
            await self.let_run()
            for reservation in self.open.values():
                used = usage_of(self.rng, reservation.bound)
                reservation.settle(used)
                self.spent += used
            self.open.clear()
            self.kept.clear()
            self.note_certain()
        assert self.ledger.outstanding == 0
        for left, limit, used in zip(self.ledger.room().limits(), self.limits, amounts(self.spent), strict=True):
            assert left == (None if limit is None else limit - used), "something is held by nobody"
        assert self.budget.fits(self.spent)


def drive(reserve: object) -> Reservation:
    """The reservation of a call that does not have to wait."""
    with pytest.raises(StopIteration) as done:
        reserve.send(None)  # type: ignore[attr-defined]
    found: Reservation = done.value.value
    return found


@pytest.mark.parametrize("block", range(5))
async def test_random_fire_never_breaks_the_ledger(block: int) -> None:
    granted = waited = 0
    for seed in range(block * ROUNDS // 5, (block + 1) * ROUNDS // 5):
        machine = Machine(seed)
        for _ in range(STEPS):
            await machine.step()
        await machine.wind_down()
        granted, waited = granted + machine.granted, waited + machine.waited
    assert granted > 0.05 * STEPS * ROUNDS / 5
    assert waited > 0.5 * STEPS * ROUNDS / 5


async def test_waiting_ends_when_earlier_ones_settle_and_in_order() -> None:
    ledger = Ledger(Budget(total_tokens=100))
    first = await ledger.reserve(Usage(0, 0, 80))
    tasks = [asyncio.create_task(ledger.reserve(Usage(0, 0, tokens))) for tokens in (50, 10, 40)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks), "the small one must not overtake"
    first.settle(Usage(0, 0, 20))
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, True, False]
    tasks[0].result().release()
    assert (await tasks[2]).bound == Usage(0, 0, 40)


async def test_cancelling_the_first_in_line_lets_the_next_in() -> None:
    ledger = Ledger(Budget(calls=2))
    held = await ledger.reserve(Usage(calls=1))
    big, small = (asyncio.create_task(ledger.reserve(Usage(calls=n))) for n in (2, 1))
    await asyncio.sleep(0)
    big.cancel()
    assert (await small).bound.calls == 1
    assert held.bound.calls == 1
    assert ledger.outstanding == 2


async def test_cancelling_just_after_the_grant_gives_the_room_back() -> None:
    ledger = Ledger(Budget(calls=1))
    held = await ledger.reserve(Usage(calls=1))
    waiter = asyncio.create_task(ledger.reserve(Usage(calls=1)))
    await asyncio.sleep(0)
    held.release()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert ledger.outstanding == 0
    assert ledger.room().calls == 1


async def test_a_deadline_just_after_the_grant_gives_the_room_back() -> None:
    ledger = Ledger(Budget(calls=1, seconds=0.01), clock=lambda: 0.0)
    held = await ledger.reserve(Usage(calls=1))
    waiter = asyncio.create_task(ledger.reserve(Usage(calls=1)))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_at(asyncio.get_running_loop().time() + 0.005, held.release)
    blocked_until = asyncio.get_running_loop().time() + 0.03
    while asyncio.get_running_loop().time() < blocked_until:
        pass
    with pytest.raises(BudgetExceeded, match="seconds"):
        await waiter
    assert ledger.outstanding == 0
    assert ledger.room().calls == 1


async def test_a_deadline_ends_the_waiting() -> None:
    ledger = Ledger(Budget(calls=1, seconds=0.02))
    await ledger.reserve(Usage(calls=1))
    with pytest.raises(BudgetExceeded, match="seconds"):
        await ledger.reserve(Usage(calls=1))
    with pytest.raises(BudgetExceeded, match="seconds"):
        await ledger.reserve(Usage())
    assert ledger.seconds_left() == 0.0


async def test_kept_room_is_as_good_as_spent() -> None:
    ledger = Ledger(Budget(total_tokens=100))
    held = await ledger.reserve(Usage(0, 0, 60))
    held.settle_keeping(Usage(0, 0, 20), Usage(0, 0, 30))
    with pytest.raises(BudgetExceeded, match=r"may need 60, 50 left"):
        await ledger.reserve(Usage(0, 0, 60))
    held.settle_keeping(Usage(0, 0, 10), Usage(0, 0, 5))
    assert ledger.room().total_tokens == 65
    held.settle(Usage(0, 0, 1))
    held.settle_keeping(Usage(0, 0, 50), Usage(0, 0, 50))
    assert ledger.room().total_tokens == 69
    assert ledger.outstanding == 0


async def test_what_was_spent_before_counts() -> None:
    ledger = Ledger(Budget(calls=3), spent=Usage(calls=2))
    ledger.charge(Usage(calls=2))
    with pytest.raises(BudgetExceeded, match=r"calls: may need 1, 0 left; raise the budget's calls"):
        await ledger.reserve(Usage(calls=1))
    assert ledger.room().calls == 0


async def test_refusals_show_every_digit() -> None:
    ledger = Ledger(Budget(total_tokens=12_345_678, cost_usd=0.29))
    with pytest.raises(BudgetExceeded, match=r"total_tokens: may need 12345679, 12345678 left") as caught:
        await ledger.reserve(Usage(prompt_tokens=12_345_679))
    assert (caught.value.dimension, caught.value.wanted, caught.value.left) == ("total_tokens", 12_345_679, 12_345_678)
    with pytest.raises(BudgetExceeded, match=r"cost_usd: may need 0.290000001, 0.29 left"):
        await ledger.reserve(Usage(nano_usd=290_000_001))


@given(st.integers(0, 10**15))
def test_money_is_exact_to_the_nano_dollar(nano: int) -> None:
    assert Budget(cost_usd=nano / 1e9).limits()[COUNTED.index("cost_usd")] == nano


@given(st.floats(0, 1e6))
def test_a_limit_is_never_more_than_was_written(dollars: float) -> None:
    limit = Budget(cost_usd=dollars).limits()[COUNTED.index("cost_usd")]
    assert limit is not None
    assert limit / 1e9 <= dollars


def test_budgets_read_and_compare() -> None:
    budget = Budget(flops=1e15, seconds=2.5)
    assert budget.flops == 10**15
    assert str(budget) == "1e+15 flops, 2.5 seconds"
    assert str(Budget()) == "no limit"
    assert Budget(calls=3).at_most(Budget(calls=5, nfe=2)) == Budget(calls=3, nfe=2)
    assert Budget(total_tokens=5).fits(Usage(2, 0, 3))
    assert not Budget(total_tokens=5).fits(Usage(3, 0, 3))


SIMULATED_WORLD = World(seed=6, steps=5)
MOST_TOKENS = 130
MANY = 1000


async def spend(seed: int, budget: Budget, jitter_s: float, at_once: int) -> tuple[Ledger, list[list[Candidate]]]:
    """A thousand requests that share a budget, each from a context of its own."""
    engine = SimulatedSpec(world=SIMULATED_WORLD, jitter_s=jitter_s).open()
    query = simulated_dataset(1, SIMULATED_WORLD, first=seed)[0]
    gate = asyncio.Semaphore(at_once) if at_once else nullcontext()
    ledger, account = Ledger(budget), Ledger(Budget())
    run = Run("task", {"generator": engine}, {"generator": gate}, ledger, account, Journal(Memory()), seed)
    ctx = Context(run, "test")
    sampling = Sampling(max_tokens=MOST_TOKENS, stop=("2: a", "3: b", "3: c", "4: d"))
    work = [ctx.child(str(i), "test").sample(query, 1, sampling) for i in range(MANY)]
    return ledger, await asyncio.gather(*work)


@pytest.mark.parametrize("seed", range(20))
async def test_a_thousand_at_once_use_a_tight_budget_and_never_exceed_it(seed: int) -> None:
    limit = 10_000
    ledger, drawn = await spend(seed, Budget(total_tokens=limit), jitter_s=0.01, at_once=0)
    done = [candidate for candidates in drawn for candidate in candidates]
    mean = sum(candidate.usage.completion_tokens for candidate in done) / len(done)
    assert mean < 0.5 * MOST_TOKENS
    assert sum(candidate.usage.total_tokens for candidate in done) == ledger.spent.total_tokens
    assert 0.95 * limit <= ledger.spent.total_tokens <= limit
    assert ledger.outstanding == 0


async def test_what_is_admitted_does_not_depend_on_how_fast_anything_runs() -> None:
    budget = Budget(total_tokens=9_000, completion_tokens=4_100, calls=80)
    seen = set()
    for jitter_s, at_once in [(0.0, 0), (0.004, 0), (0.002, 64), (0.001, 8), (0.0002, 1)]:
        ledger, drawn = await spend(3, budget, jitter_s, at_once)
        seen.add((ledger.spent, tuple(tuple(c.text for c in candidates) for candidates in drawn)))
    assert len(seen) == 1


def test_steps_are_many_enough() -> None:
    assert ROUNDS * STEPS >= 100_000
    assert math.isclose(ROUNDS % 5, 0)
