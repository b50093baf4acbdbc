"""Many effects in one call: each is found, joined, paid for, recorded and lost by itself."""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from forked_child import in_child

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.errors import BudgetExceeded, EngineRefused, EngineUnavailable
from ponder.orchestrator.journal import Journal, Retries
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.types import Usage

BOUND = Usage(calls=1, nfe=10)
USED = Usage(calls=1, nfe=7)
KEYS = [b"a", b"b", b"c", b"d"]
Made = list[tuple[bytes, Usage]]
BatchCall = Callable[[list[int]], Awaitable[Made]]


class Bench:
    """A journal on disk, an account, and calls that are noted by the numbers they were given."""

    def __init__(self, path: Path, budget: Budget = Budget(), **options: Any) -> None:
        self.file = JournalFile(path, **options)
        self.run = self.file.open_run("run", {})
        self.journal = Journal(self.file, self.run, Retries(most=3, first_wait_s=0.0))
        self.account = Ledger(budget)
        self.calls: list[list[int]] = []

    async def made(self, numbers: list[int]) -> Made:
        self.calls.append(numbers)
        await asyncio.sleep(0.001)
        return [(b"value %d" % number, USED) for number in numbers]

    async def draw_all(
        self, keys: list[bytes] = KEYS, call: BatchCall | None = None, account: Ledger | None = None
    ) -> list[bytes | Exception]:
        return await self.journal.draw_all(keys, BOUND, call or self.made, nullcontext(), account or self.account)

    async def draw(self, key: bytes) -> bytes:
        async def call() -> tuple[bytes, Usage]:
            return (await self.made([0]))[0]

        return await self.journal.draw(key, BOUND, call, nullcontext(), self.account)

    def rows(self, table: str) -> list[Any]:
        with sqlite3.connect(self.file.path) as connection:
            return connection.execute(f"SELECT * FROM {table}").fetchall()

    def check_paid(self, paid: Usage) -> None:
        """The account and the file agree, and nothing is held or at risk."""
        spent = self.file.spent(self.run)
        assert (self.account.spent, spent.settled, spent.at_risk) == (paid, paid, Usage())
        assert self.account.outstanding == 0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "run.journal")
    yield made
    made.file.close()


async def refused(numbers: list[int]) -> Made:
    raise EngineRefused("no")


async def test_all_intents_are_on_disk_before_the_one_call_and_all_effects_after(bench: Bench) -> None:
    async def call(numbers: list[int]) -> Made:
        assert [row[2] for row in bench.rows("intents")] == KEYS
        assert not bench.rows("effects")
        assert (bench.file.spent(bench.run).at_risk, bench.file.spent(bench.run).calls_at_risk) == (BOUND.times(4), 4)
        return await bench.made(numbers)

    assert await bench.draw_all(call=call) == [b"value 0", b"value 1", b"value 2", b"value 3"]
    assert [(row[0], row[3]) for row in bench.rows("effects")] == [(key, b"value %d" % i) for i, key in enumerate(KEYS)]
    bench.check_paid(USED.times(4))


async def test_what_is_known_is_not_made_again_and_the_rest_keep_their_numbers(bench: Bench) -> None:
    await bench.draw_all([b"b", b"d"])
    assert await bench.draw_all() == [b"value 0", b"value 0", b"value 2", b"value 1"]
    assert await bench.draw_all() == [b"value 0", b"value 0", b"value 2", b"value 1"]
    assert bench.calls == [[0, 1], [0, 2]]
    bench.check_paid(USED.times(4))


async def test_a_key_that_is_named_twice_is_made_once(bench: Bench) -> None:
    found = await bench.draw_all([b"a", b"b", b"a", b"a", b"b"])
    assert found == [b"value 0", b"value 1", b"value 0", b"value 0", b"value 1"]
    assert bench.calls == [[0, 1]]
    bench.check_paid(USED.times(2))


async def test_batches_that_overlap_in_flight_make_each_part_once(bench: Bench) -> None:
    one, other, third = await asyncio.gather(
        bench.draw_all([b"a", b"b"]), bench.draw_all([b"b", b"c"]), bench.draw_all([b"c", b"a"])
    )
    assert (one, other, third) == ([b"value 0", b"value 1"], [b"value 1", b"value 1"], [b"value 1", b"value 0"])
    assert bench.calls == [[0, 1], [1]]
    bench.check_paid(USED.times(3))


async def test_batches_and_single_draws_join_one_another(bench: Bench) -> None:
    first, batch, last = await asyncio.gather(bench.draw(b"b"), bench.draw_all(), bench.draw(b"d"))
    assert (first, batch, last) == (b"value 0", [b"value 0", b"value 0", b"value 2", b"value 3"], b"value 3")
    assert bench.calls == [[0], [0, 2, 3]]
    bench.check_paid(USED.times(4))


async def test_where_the_account_is_small_the_first_are_served(bench: Bench) -> None:
    bench.account = Ledger(Budget(nfe=23))
    found = await bench.draw_all()
    assert found[:2] == [b"value 0", b"value 1"]
    assert all(isinstance(error, BudgetExceeded) and error.dimension == "nfe" for error in found[2:])
    assert bench.calls == [[0, 1]]
    bench.check_paid(USED.times(2))
    rich = Ledger(Budget())
    assert await bench.draw_all(account=rich) == [b"value 0", b"value 1", b"value 2", b"value 3"]
    assert (bench.calls[1:], rich.spent) == ([[2, 3]], USED.times(2))


async def test_what_the_first_give_back_serves_more(bench: Bench) -> None:
    """Three bounds do not fit in 27, but what two really cost leaves room for a third."""
    bench.account = Ledger(Budget(nfe=27))
    found = await bench.draw_all()
    assert found[:2] == [b"value 0", b"value 1"]
    assert bench.calls == [[0, 1], [2]]
    assert found[2] == b"value 2"
    assert isinstance(found[3], BudgetExceeded)
    bench.check_paid(USED.times(3))


async def test_followers_with_an_account_of_their_own_do_not_share_its_poverty(bench: Bench) -> None:
    rich = Ledger(Budget())
    bench.account = Ledger(Budget(calls=1))
    poor, other = await asyncio.gather(bench.draw_all(), bench.draw_all(account=rich))
    assert [isinstance(each, bytes) for each in poor] == [True, False, False, False]
    assert other == [b"value 0", b"value 1", b"value 2", b"value 3"]
    assert (bench.account.spent, rich.spent) == (USED, USED.times(3))


@pytest.mark.parametrize("is_free", [True, False])
async def test_every_attempt_is_reserved_and_charged_for_each_part(bench: Bench, is_free: bool) -> None:
    async def flaky(numbers: list[int]) -> Made:
        found = await bench.made(numbers)
        if len(bench.calls) < 3:
            raise EngineUnavailable("busy", is_free=is_free)
        return found

    assert await bench.draw_all(call=flaky) == [b"value 0", b"value 1", b"value 2", b"value 3"]
    assert bench.calls == [[0, 1, 2, 3]] * 3
    assert len(bench.rows("intents")) == 12
    bench.check_paid(USED.times(4) + (Usage() if is_free else BOUND.times(8)))


async def test_retries_shrink_with_the_account_and_end_with_it(bench: Bench) -> None:
    async def never(numbers: list[int]) -> Made:
        bench.calls.append(numbers)
        raise EngineUnavailable("busy")

    bench.account = Ledger(Budget(calls=6))
    found = await bench.draw_all(call=never)
    assert all(isinstance(error, BudgetExceeded) for error in found)
    assert bench.calls == [[0, 1, 2, 3], [0, 1]]
    bench.check_paid(BOUND.times(6))


async def test_a_batch_that_fails_loses_and_charges_the_parts_that_were_tried(bench: Bench) -> None:
    found = await bench.draw_all(call=refused)
    assert [str(error) for error in found] == ["no"] * 4
    bench.check_paid(BOUND.times(4))
    assert await bench.draw_all() == [b"value 0", b"value 1", b"value 2", b"value 3"]


async def test_parts_that_were_not_tried_are_told_that_the_account_is_short(bench: Bench) -> None:
    bench.account = Ledger(Budget(calls=3))
    found = await bench.draw_all(call=refused)
    assert [type(error) for error in found] == [EngineRefused] * 3 + [BudgetExceeded]
    bench.check_paid(BOUND.times(3))


async def test_followers_of_a_batch_that_fails_see_why(bench: Bench) -> None:
    async def slowly(numbers: list[int]) -> Made:
        await asyncio.sleep(0.005)
        return await refused(numbers)

    _, follower, single = await asyncio.gather(
        bench.draw_all(call=slowly), bench.draw_all([b"d", b"e"]), bench.draw(b"a"), return_exceptions=True
    )
    assert str(follower[0]) == "no"  # type: ignore[index]
    assert follower[1] == b"value 1"  # type: ignore[index]
    assert str(single) == "no"


async def test_a_cancelled_batch_is_charged_in_full_and_its_followers_take_over(bench: Bench) -> None:
    began = asyncio.Event()

    async def endless(numbers: list[int]) -> Made:
        began.set()
        await asyncio.sleep(100)
        return []

    leader = asyncio.create_task(bench.draw_all(call=endless))
    await began.wait()
    follower, single = asyncio.create_task(bench.draw_all([b"c", b"b"])), asyncio.create_task(bench.draw(b"a"))
    await asyncio.sleep(0.01)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert (await follower, await single) == ([b"value 0", b"value 1"], b"value 0")
    bench.check_paid(BOUND.times(4) + USED.times(3))


async def test_cancelled_while_the_intents_are_written_costs_nothing(bench: Bench) -> None:
    for turn in range(20):
        task = asyncio.create_task(bench.draw_all([b"%d %d" % (turn, i) for i in range(3)]))
        for _ in range(1 + turn % 3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert not bench.calls
    bench.check_paid(Usage())


async def test_a_crash_between_intent_and_effect_is_charged_as_at_risk(bench: Bench) -> None:
    bench.file.close()

    def dies() -> None:
        async def killed(numbers: list[int]) -> Made:
            os._exit(9)

        asyncio.run(Bench(bench.file.path).draw_all(call=killed))

    assert in_child(dies) == 9
    again = Bench(bench.file.path)
    spent = again.file.spent(again.run)
    assert (spent.settled, spent.at_risk, spent.calls_at_risk) == (Usage(), BOUND.times(4), 4)
    assert await again.draw_all() == [b"value 0", b"value 1", b"value 2", b"value 3"]
    assert again.file.spent(again.run).total == BOUND.times(4) + USED.times(4)
    again.file.close()


async def test_two_runs_that_race_return_one_value_and_both_costs_count(bench: Bench) -> None:
    other_run = bench.file.open_run("other", {})
    other, account = Journal(bench.file, other_run), Ledger(Budget())

    async def late(numbers: list[int]) -> Made:
        while not bench.rows("effects"):
            await asyncio.sleep(0.001)
        return [(b"late", USED) for _ in numbers]

    one, two = await asyncio.gather(
        bench.draw_all([b"a", b"b"]), other.draw_all([b"b", b"c"], BOUND, late, nullcontext(), account)
    )
    assert (one, two) == ([b"value 0", b"value 1"], [b"value 1", b"late"])
    assert account.spent == bench.file.spent(other_run).settled == USED.times(2)
