"""What was drawn once is never paid twice, and what is written stands."""

import asyncio
import sqlite3
from collections.abc import Coroutine
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.errors import BudgetExceeded, EngineRefused, EngineUnavailable, JournalError
from ponder.orchestrator.journal import Journal, Memory, Retries
from ponder.orchestrator.journal_file import JournalFile, ReadOnlyJournal
from ponder.orchestrator.types import Usage

BOUND = Usage(10, 0, 20, 1)
USED = Usage(10, 0, 7, 1)
NO_WAIT = Retries(first_wait_s=0.0)


class Bench:
    """A journal on disk, a ledger, and calls that are counted."""

    def __init__(self, path: Path, budget: Budget = Budget(), **options: Any) -> None:
        self.file = JournalFile(path, **options)
        self.run = self.file.open_run("run", {"seed": 0})
        self.journal = Journal(self.file, self.run, NO_WAIT)
        self.ledger = Ledger(budget)
        self.calls = 0

    async def answer(self) -> tuple[bytes, Usage]:
        self.calls += 1
        await asyncio.sleep(0.001)
        return b"value", USED

    def draw(self, key: bytes = b"key", call: Any = None, account: Ledger | None = None) -> Coroutine[Any, Any, bytes]:
        return self.journal.draw(key, BOUND, call or self.answer, nullcontext(), account or self.ledger)

    def rows(self, table: str) -> list[Any]:
        with sqlite3.connect(self.file.path) as connection:
            return connection.execute(f"SELECT * FROM {table}").fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sub" / "run.journal"


@pytest.fixture
def bench(path: Path) -> Any:
    made = Bench(path)
    yield made
    made.file.close()


@pytest.mark.parametrize(("wait_s", "calls"), [(0.01, 3), (60.0, 1)])
async def test_who_would_have_to_wait_too_long_is_told_at_once(wait_s: float, calls: int) -> None:
    journal, sent = Journal(Memory(), retries=Retries(2, 0.0, longest_wait_s=1.0)), []

    async def busy() -> tuple[bytes, Usage]:
        sent.append(wait_s)
        raise EngineUnavailable("busy", wait_s, is_free=True)

    with pytest.raises(EngineUnavailable):
        await journal.draw(b"key", BOUND, busy, nullcontext(), Ledger(Budget()))
    assert len(sent) == calls


async def test_the_intent_is_on_disk_before_the_call_and_the_effect_after(bench: Bench) -> None:
    async def call() -> tuple[bytes, Usage]:
        assert [(row[1], row[2]) for row in bench.rows("intents")] == [(bench.run, b"key")]
        assert not bench.rows("effects")
        assert bench.file.spent(bench.run).at_risk == BOUND
        assert bench.file.spent(bench.run).calls_at_risk == 1
        return b"value", USED

    assert await bench.draw(call=call) == b"value"
    assert [row[3] for row in bench.rows("effects")] == [b"value"]
    spent = bench.file.spent(bench.run)
    assert (spent.settled, spent.at_risk, spent.calls_at_risk) == (USED, Usage(), 0)
    assert spent.total == bench.ledger.spent == USED
    assert bench.ledger.outstanding == 0


async def test_a_recorded_draw_is_free_even_after_reopening(bench: Bench) -> None:
    await bench.draw()
    bench.file.close()
    again = Bench(bench.file.path, Budget(calls=0))
    assert await again.draw() == b"value"
    assert again.calls == 0
    again.file.close()


async def test_a_hundred_identical_draws_make_one_call(bench: Bench) -> None:
    assert set(await asyncio.gather(*(bench.draw() for _ in range(100)))) == {b"value"}
    assert bench.calls == 1
    assert bench.ledger.spent == USED


async def test_when_the_leader_is_cancelled_a_follower_takes_over(bench: Bench) -> None:
    began = asyncio.Event()

    async def slow() -> tuple[bytes, Usage]:
        bench.calls += 1
        began.set()
        await asyncio.sleep(0.05 if bench.calls > 1 else 100)
        return b"value", USED

    leader, *others = (asyncio.create_task(bench.draw(call=slow)) for _ in range(10))
    await began.wait()
    leader.cancel()
    others[3].cancel()
    done = await asyncio.gather(leader, *others, return_exceptions=True)
    assert [isinstance(d, asyncio.CancelledError) for d in done] == [i in (0, 4) for i in range(10)]
    assert [d for d in done if isinstance(d, bytes)] == [b"value"] * 8
    assert bench.calls == 2
    assert bench.ledger.spent == BOUND + USED
    assert bench.file.spent(bench.run).settled == BOUND + USED


async def test_when_the_leader_fails_followers_see_why(bench: Bench) -> None:
    async def refuse() -> tuple[bytes, Usage]:
        bench.calls += 1
        await asyncio.sleep(0.01)
        raise EngineRefused("no")

    done = await asyncio.gather(*(bench.draw(call=refuse) for _ in range(10)), return_exceptions=True)
    assert {str(error) for error in done} == {"no"}
    assert bench.calls == 1
    assert await bench.draw() == b"value"


async def test_followers_with_an_account_of_their_own_do_not_share_its_poverty(bench: Bench) -> None:
    poor, rich = Ledger(Budget(calls=1)), Ledger(Budget(calls=1))
    held = await poor.reserve(BOUND)
    tasks = [asyncio.create_task(bench.draw(account=account)) for account in (poor, rich, poor)]
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in tasks), "the leader waits for room in its account, the others for the leader"
    held.charge_in_full()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(done[0], BudgetExceeded)
    assert done[1:] == [b"value", b"value"]
    assert (poor.spent, rich.spent) == (BOUND, USED)


@pytest.mark.parametrize("is_free", [True, False])
async def test_every_attempt_is_reserved_and_charged(bench: Bench, is_free: bool) -> None:
    async def flaky() -> tuple[bytes, Usage]:
        bench.calls += 1
        assert bench.ledger.outstanding == 1
        if bench.calls < 4:
            raise EngineUnavailable("busy", is_free=is_free)
        return b"value", USED

    await bench.draw(call=flaky)
    lost = Usage() if is_free else BOUND + BOUND + BOUND
    assert bench.ledger.spent == lost + USED
    assert bench.file.spent(bench.run).settled == lost + USED
    assert len(bench.rows("intents")) == 4


async def test_retries_end_when_the_budget_or_the_patience_does(path: Path) -> None:
    async def never() -> tuple[bytes, Usage]:
        raise EngineUnavailable("busy")

    bench = Bench(path, Budget(calls=3))
    with pytest.raises(BudgetExceeded, match="calls"):
        await bench.draw(call=never)
    assert bench.ledger.spent.calls == 3
    with pytest.raises(EngineUnavailable, match="busy"):
        await bench.draw(call=never, account=Ledger(Budget()))
    assert len(bench.rows("intents")) == 3 + NO_WAIT.most + 1
    bench.file.close()


async def test_a_cancelled_call_is_charged_in_full(bench: Bench) -> None:
    began = asyncio.Event()

    async def endless() -> tuple[bytes, Usage]:
        began.set()
        await asyncio.sleep(100)
        return b"value", USED

    task = asyncio.create_task(bench.draw(call=endless))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    spent = bench.file.spent(bench.run)
    assert bench.ledger.spent == spent.settled == BOUND
    assert spent.calls_at_risk == bench.ledger.outstanding == 0


async def test_cancelled_while_the_intent_is_written_costs_nothing(bench: Bench) -> None:
    for turn in range(40):
        task = asyncio.create_task(bench.draw(str(turn).encode()))
        for _ in range(1 + turn % 2):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert bench.calls == 0
    assert bench.ledger.spent == Usage()
    assert bench.file.spent(bench.run).total == Usage()
    assert bench.ledger.outstanding == 0


async def test_cancelled_while_the_effect_is_written_loses_no_sample(path: Path) -> None:
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(number: int, when: str) -> None:
        if number == 2 and when == "before":
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()

    bench = Bench(path, on_commit=slowly)
    leader, follower = (asyncio.create_task(bench.draw()) for _ in range(2))
    while not bench.calls or bench.ledger.outstanding:
        await asyncio.sleep(0.001)
    leader.cancel()
    await asyncio.sleep(0.01)
    leader.cancel()
    gate.set()
    assert await follower == b"value"
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert bench.calls == 1
    assert bench.file.spent(bench.run).total == bench.ledger.spent == USED
    bench.file.close()


async def test_two_runs_that_race_for_a_key_return_one_value_and_both_costs_count(bench: Bench) -> None:
    other_run = bench.file.open_run("other", {})
    other = Journal(bench.file, other_run)

    async def answer() -> tuple[bytes, Usage]:
        while not bench.rows("effects"):
            await asyncio.sleep(0.001)
        return b"late", USED

    drawn = await asyncio.gather(bench.draw(), other.draw(b"key", BOUND, answer, nullcontext(), Ledger(Budget())))
    assert drawn == [b"value", b"value"]
    assert bench.file.spent(bench.run).total == bench.file.spent(other_run).total == USED
    assert bench.file.spent(other_run).calls_at_risk == 0


async def test_steps_must_be_what_they_were(bench: Bench) -> None:
    await bench.journal.check("task/0.a/0", "beam", b"digest")
    await bench.journal.check("task/0.a/0", "beam", b"digest")
    with pytest.raises(JournalError, match=r"strategy 'rebase' must ask at task/0\.a/0 .* \(by 'beam'\)"):
        await bench.journal.check("task/0.a/0", "rebase", b"digest")
    with pytest.raises(JournalError, match="deterministic"):
        await bench.journal.check("task/0.a/0", "beam", b"other")


def test_a_run_in_which_nothing_was_recorded_may_change(bench: Bench) -> None:
    assert bench.file.open_run("run", {"seed": 1}) == bench.run
    assert bench.file.open_run("run", {"seed": 0}) == bench.run
    assert bench.file.open_run("next", {"seed": 0}) != bench.run


async def test_another_header_says_what_changed(bench: Bench) -> None:
    await bench.draw()
    assert bench.file.open_run("run", {"seed": 0}) == bench.run
    assert bench.file.open_run("next", {"seed": 1}) != bench.run
    with pytest.raises(JournalError, match=r"run 'run' .* but budget, seed changed; .*another name"):
        bench.file.open_run("run", {"seed": 1, "budget": 5})


async def test_results_and_costs_can_be_read_while_it_is_written(bench: Bench) -> None:
    await bench.draw()
    await bench.journal.finish("task", b"result")
    reader = ReadOnlyJournal(bench.file.path)
    assert reader.runs() == {"run": {"seed": 0}}
    assert reader.results("run") == bench.file.results(bench.run) == {"task": b"result"}
    assert reader.spent("run").total == USED
    assert reader.spent("never").total == Usage()
    reader.close()


async def test_a_closed_journal_says_so(bench: Bench) -> None:
    bench.file.close()
    bench.file.close()
    with pytest.raises(JournalError, match="it was closed"):
        await bench.journal.finish("task", b"")
    with pytest.raises(JournalError, match="closed"):
        await bench.draw()
    assert bench.calls == 0


async def test_memory_keeps_draws_for_the_process() -> None:
    journal, ledger = Journal(Memory()), Ledger(Budget())

    async def call() -> tuple[bytes, Usage]:
        return b"value", USED

    for _ in range(2):
        assert await journal.draw(b"key", BOUND, call, nullcontext(), ledger) == b"value"
        await journal.check("place", "strategy", b"digest")
    assert ledger.spent == USED
