"""The runtime: deadlines, estimates, refusals, and many tasks under one budget."""

import asyncio
import time

import pytest

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.engine import Prompt
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import BudgetExceeded, EngineUnavailable
from ponder.orchestrator.journal import Memory, Retries
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.runtime import Done, Runtime, Task, run_tasks
from ponder.orchestrator.shape import Estimate
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Query, Usage
from ponder.strategies import BestOfN, Sample
from ponder.verifiers import ProcessReward

WORLD = World(seed=1, steps=2, branching=3)
FOUR = Sample(n=4, max_tokens=40)
AT_ONCE = Retries(first_wait_s=0.0)
BOUND = 4 * (17 + 40)


class Unstartable(SimulatedEngine):
    """An engine that cannot start."""

    closed = False

    async def start(self) -> None:
        raise EngineUnavailable("the engine must start, but its port is taken; free it")

    async def close(self) -> None:
        self.closed = True


def tasks(count: int, strategy: Sample = FOUR) -> list[Task]:
    return [Task(id=f"t{i}", strategy=strategy, query=Query.ask(f"Problem {i}?")) for i in range(count)]


def runtime(store: Memory | JournalFile | None = None, **knobs: object) -> Runtime:
    return Runtime({"generator": SimulatedSpec(world=WORLD, **knobs)}, store=store, retries=AT_ONCE)  # type: ignore[arg-type]


async def collect(executor, todo, budget: Budget, **knobs) -> tuple[list[Done], list[Task]]:
    found: list[Done] = []

    async def keep(done: Done) -> None:
        found.append(done)

    unreached = await run_tasks(executor, todo, budget, on_done=keep, **knobs)
    return found, unreached


async def test_the_deadline_ends_a_run_with_what_has_finished() -> None:
    async with runtime(latency_s=0.01, faults=Faults(hang=0.5, seed=3)) as here:
        began = time.monotonic()
        result = await here.run(Sample(n=16, max_tokens=40), Query.ask("Problem 3?"), Budget(seconds=0.3))
    assert time.monotonic() - began < 20
    assert result.stopped == "deadline"
    assert result.reason == "seconds: the deadline of 0.3 came; raise the budget's seconds"
    assert 0 < len(result.candidates) < 16


async def test_a_deadline_for_many_tasks_ends_those_that_hang() -> None:
    async with runtime(Memory(), faults=Faults(hang=0.2, seed=3)) as here:
        began = time.monotonic()
        found, _ = await collect(here, tasks(8), Budget(seconds=0.5))
    assert time.monotonic() - began < 20
    assert {done.result.stopped for done in found} == {"done", "deadline"}
    assert all(done.is_starved == (done.result.stopped == "deadline") for done in found)


async def test_an_estimate_is_a_range_in_every_dimension() -> None:
    spec = SimulatedSpec(world=WORLD, prompt_price=1.0, completion_price=2.0)
    async with Runtime({"generator": spec, "reward": spec}) as here:
        estimate = await here.estimate(BestOfN(n=4, max_tokens=40, verifier=ProcessReward()), Query.ask("Problem 3?"))
    assert (estimate.least.calls, estimate.most.calls) == (4, 4)
    assert estimate.most.total_tokens == BOUND + BOUND
    assert estimate.most.nano_usd == (4 * 17 + BOUND) * 1000 + 4 * 40 * 2000
    assert 0 < estimate.least.flops < estimate.most.flops


@pytest.mark.parametrize("dimension", ["total_tokens", "calls", "completion_tokens", "flops"])
async def test_a_budget_too_small_is_refused_before_a_call(dimension) -> None:
    async with runtime() as here:
        with pytest.raises(BudgetExceeded, match=f"{dimension}: may need .*, 0 left; raise") as caught:
            await here.run(FOUR, Query.ask("Problem 3?"), Budget.model_validate({dimension: 0}))
        assert caught.value.dimension == dimension


async def test_an_engine_that_cannot_start_closes_the_others() -> None:
    broken, other = Unstartable(SimulatedSpec()), Unstartable(SimulatedSpec())
    with pytest.raises(EngineUnavailable, match="port is taken"):
        async with Runtime({"a": broken, "b": other}):
            raise AssertionError("must not open")
    assert broken.closed
    assert other.closed


async def test_tasks_are_admitted_in_order_whatever_their_speed() -> None:
    reached = set()
    for knobs in ({}, {"max_in_flight": 1}, {"jitter_s": 0.003}):
        async with runtime(**knobs) as here:
            found, unreached = await collect(here, tasks(12), Budget(total_tokens=5 * BOUND))
        reached.add((tuple(sorted(done.task for done in found)), tuple(task.id for task in unreached)))
        assert sum(done.paid.total_tokens for done in found) <= 5 * BOUND
    assert len(reached) == 1
    names, left = reached.pop()
    assert set(names) | set(left) == {f"t{i}" for i in range(12)}
    assert {f"t{i}" for i in range(5)} <= set(names)


async def test_at_most_so_many_run_at_once() -> None:
    running = most = 0

    class Watching:
        async def execute(self, task: Task, lease: Budget) -> Done:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.002)
            running -= 1
            return await inner.execute(task, lease)

        async def estimate(self, strategy, query):
            return await inner.estimate(strategy, query)

    async with runtime() as inner:
        found, unreached = await collect(Watching(), tasks(9), Budget(), at_once=3)
    assert (len(found), unreached, most) == (9, [], 3)


async def test_what_was_spent_before_counts() -> None:
    async with runtime() as here:
        found, unreached = await collect(here, tasks(3), Budget(calls=6), spent=Usage(calls=2))
    assert [done.task for done in found if not done.is_starved] == ["t0"]
    assert [task.id for task in unreached] == ["t1", "t2"]
    assert sum(done.paid.calls for done in found) == 4


LONG = Sample(n=4, max_tokens=400)


async def test_a_task_whose_worst_case_exceeds_the_budget_is_reached_where_it_costs_less() -> None:
    async with runtime() as here:
        found, unreached = await collect(here, tasks(3, LONG), Budget(total_tokens=1000))
    assert not unreached
    assert [(done.task, done.result.stopped, len(done.result.candidates)) for done in found] == [
        (f"t{i}", "done", 4) for i in range(3)
    ]
    assert sum(done.paid.total_tokens for done in found) <= 1000


async def test_large_and_small_tasks_are_reached_alike_at_any_speed() -> None:
    todo = [task for pair in zip(tasks(6), tasks(6, LONG), strict=True) for task in pair]
    todo = [task.model_copy(update={"id": str(i)}) for i, task in enumerate(todo)]
    for limit in range(600, 2200, 200):
        ends = set()
        for knobs in ({}, {"max_in_flight": 1}, {"jitter_s": 0.003}):
            async with runtime(**knobs) as here:
                found, unreached = await collect(here, todo, Budget(total_tokens=limit), at_once=3)
            results = sorted((done.task, done.is_starved, done.paid.total_tokens) for done in found)
            ends.add((tuple(results), tuple(task.id for task in unreached)))
            assert sum(done.paid.total_tokens for done in found) <= limit
        assert len(ends) == 1, limit
        assert {task.id for task in unreached} == {task for task, is_starved, _ in results if is_starved}


async def test_a_large_task_runs_alone() -> None:
    running: set[str] = set()
    beside: dict[str, set[str]] = {}

    class Watching:
        async def execute(self, task: Task, lease: Budget) -> Done:
            for other in running:
                beside[other].add(task.id)
            beside[task.id] = set(running)
            running.add(task.id)
            await asyncio.sleep(0.002)
            running.remove(task.id)
            return await inner.execute(task, lease)

        async def estimate(self, strategy, query):
            return await inner.estimate(strategy, query)

    small, large = tasks(5), tasks(1, LONG)
    todo = [*small[:2], large[0].model_copy(update={"id": "large"}), *small[2:]]
    async with runtime() as inner:
        _, unreached = await collect(Watching(), todo, Budget(total_tokens=1600), at_once=4)
    assert not unreached
    assert beside["large"] == set()
    assert beside["t0"] == {"t1"}


async def test_what_a_task_drew_that_was_not_reached_is_paid_for_once() -> None:
    store, whole = Memory(), 0
    for limit, reached in ((450, False), (1000, True)):
        async with runtime(store) as here:
            found, unreached = await collect(here, tasks(1, LONG), Budget(total_tokens=limit))
        assert (not unreached, found[0].is_starved) == (reached, not reached)
        assert found[0].paid.total_tokens > 0
        whole += found[0].paid.total_tokens
    assert found[0].result.usage.total_tokens == whole


async def test_a_task_whose_lease_was_eaten_by_lost_calls_leases_again(tmp_path) -> None:
    file = JournalFile(tmp_path / "j.db")
    async with runtime(file, faults=Faults(unavailable=0.5)) as here:
        found, unreached = await collect(here, tasks(6), Budget())
    spent = file.spent(0)
    file.close()
    assert (len(found), unreached) == (6, [])
    assert all(done.result.stopped == "done" and len(done.result.candidates) == 4 for done in found)
    assert spent.calls_at_risk == 0
    assert spent.settled.calls > 24


async def test_a_dead_engine_does_not_eat_the_budget() -> None:
    async with runtime(Memory(), faults=Faults(unavailable=1.0)) as here:
        found, _ = await collect(here, tasks(1), Budget())
    assert found[0].is_cut
    assert not found[0].result.candidates


async def test_a_failure_of_the_observer_ends_the_tasks() -> None:
    async def fail(done: Done) -> None:
        raise OSError("no room")

    async with runtime(latency_s=0.01) as here:
        with pytest.raises(OSError, match="no room"):
            await run_tasks(here, tasks(4), Budget(), on_done=fail)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_budget_of_a_reservation_allows_just_that() -> None:
    bound = Usage(10, 0, 5, 2, 1, 0, 100, 7)
    held = await Ledger(Budget()).reserve(bound)
    assert held.budget.fits(bound)
    for more in (Usage(prompt_tokens=1), Usage(calls=1), Usage(flops=1), Usage(nano_usd=1), Usage(nfe=1)):
        assert not held.budget.fits(bound + more)


class Uncountable:
    """An executor whose engine cannot count the prompts of some queries."""

    def __init__(self, runtime: Runtime, refused: str) -> None:
        self._runtime = runtime
        self._refused = refused

    async def execute(self, task: Task, lease: Budget) -> Done:
        return await self._runtime.execute(task, lease)

    async def estimate(self, strategy: Strategy, query: Query) -> Estimate:
        if query.id == self._refused:
            raise EngineUnavailable("the engine is away")
        return await self._runtime.estimate(strategy, query)


async def test_a_query_that_cannot_be_counted_costs_that_task_alone() -> None:
    asked = tasks(4)
    ended: dict[str, Done] = {}

    async def note(done: Done) -> None:
        ended[done.task] = done

    asked[1] = asked[1].model_copy(update={"query": asked[1].query.model_copy(update={"id": "away"})})
    async with runtime() as here:
        unreached = await run_tasks(Uncountable(here, "away"), asked, Budget(), on_done=note)
    assert not unreached
    assert [ended[task.id].is_cut for task in asked] == [False, True, False, False]
    assert [len(ended[task.id].result.candidates) for task in asked] == [4, 0, 4, 4]


class Slow(SimulatedEngine):
    """An engine that counts slowly."""

    async def count(self, prompt: Prompt) -> int:
        await asyncio.sleep(60)
        return 1


async def test_an_engine_that_never_counts_does_not_hold_a_run_over_its_deadline() -> None:
    async with Runtime({"generator": Slow(SimulatedSpec(world=WORLD))}) as here:
        began = time.monotonic()
        result = await here.run(FOUR, Query.ask("Problem 3?"), Budget(seconds=0.2))
    assert time.monotonic() - began < 20
    assert (result.stopped, result.candidates) == ("deadline", ())
