"""The runtime: runs strategies over queries, in this process.

Results are the same bytes on a `Cluster`: a task depends on its strategy, query, seed and journal, never on
where or when it runs. (Real engines are not batch-invariant: the same seed may draw other tokens in other
company. What was drawn once is replayed from the journal exactly.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict

from .budget import Budget, Ledger, Reservation
from .context import Context
from .engine import Engine, EngineSpec
from .errors import BudgetExceeded, EngineError, EngineUnavailable
from .journal import Journal, Memory, Retries, Store
from .pipeline import AnyStrategy
from .plan import Plan
from .plans import Plans
from .process_settings import SELDOM_COLLECTED
from .run_state import Run, Watcher, Written
from .shape import Estimate
from .strategy import Strategy
from .types import Query, Result, Usage

MOST_IDLE_LEASES = 6


class Task(BaseModel):
    """One strategy over one query, within its own budget.

    Args:
        id: names the task within its run.
        replicate: chooses an independent set of draws.
        seed: chooses the draws; None takes the runtime's seed.
    """

    model_config = ConfigDict(frozen=True)
    id: str
    strategy: AnyStrategy
    query: Query
    budget: Budget = Budget()
    replicate: int = 0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A task's end: its result, and what was newly paid for it.

    `is_starved`: its lease was too small to finish. `is_cut`: an engine was away for too long.
    """

    task: str
    result: Result
    paid: Usage
    is_starved: bool = False
    is_cut: bool = False


class Host(Protocol):
    """Where tasks run: `Runtime` in this process, `Cluster` on Ray."""

    async def execute(self, task: Task, lease: Budget) -> Done:
        """Run a task, paying at most `lease` for what the journal does not hold."""

    async def estimate(self, strategy: Strategy, query: Query) -> Estimate:
        """The least and the most that a run may cost."""

    @property
    def engines(self) -> Mapping[str, Engine]:
        """The engines by name."""


class Runtime:
    """Runs tasks on engines of this process.

    Use it as a context manager: engines start when it opens and stop when it closes. While it is open, Python's cyclic
    garbage collector runs seldom.

    Args:
        engines: by the names the strategies use.
        store: the journal's rows; None keeps them in memory for each task alone.
        run: the run's number in the store.
        seed: chooses the draws.
        retries: how calls that fail for a time are sent again.
        in_flight: most requests in flight, for engines that are not given as specs; 256 where not named.
        gates: what holds requests back on engines that other runtimes use too, instead of a limit of its own.
    """

    def __init__(
        self,
        engines: Mapping[str, EngineSpec | Engine],
        *,
        store: Store | None = None,
        run: int = 0,
        seed: int = 0,
        retries: Retries = Retries(),
        in_flight: Mapping[str, int] | None = None,
        gates: Mapping[str, AbstractAsyncContextManager[object]] | None = None,
    ) -> None:
        self._engines = {name: e.open() if isinstance(e, EngineSpec) else e for name, e in engines.items()}
        limits = {name: e.max_in_flight for name, e in engines.items() if isinstance(e, EngineSpec)}
        limits |= in_flight or {}
        own = {name: asyncio.Semaphore(limits.get(name, 256)) for name in engines}
        self._gates: Mapping[str, AbstractAsyncContextManager[object]] = {**own, **(gates or {})}
        self._journal = Journal(store, run, retries) if store is not None else None
        self._retries = retries
        self._seed = seed
        self._plans = Plans(self._engines)

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.TaskGroup() as group:
                for engine in self._engines.values():
                    group.create_task(engine.start())
        except BaseExceptionGroup as errors:
            await self.close()
            raise errors.exceptions[0] from None
        SELDOM_COLLECTED.__enter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        SELDOM_COLLECTED.__exit__()
        await self.close()

    async def close(self) -> None:
        """Stop the engines."""
        await asyncio.gather(*(engine.close() for engine in self._engines.values()), return_exceptions=True)

    @property
    def engines(self) -> Mapping[str, Engine]:
        """The engines by name."""
        return self._engines

    async def run(
        self,
        strategy: Strategy,
        query: Query,
        budget: Budget = Budget(),
        replicate: int = 0,
        on_written: Callable[[Written], None] | None = None,
    ) -> Result:
        """Run one strategy over one query.

        `on_written` is told what workers write side by side, as soon as the strategy knows.

        Raises:
            BudgetExceeded: the budget cannot pay for one attempt.
        """
        task = Task(id=query.id, strategy=strategy, query=query, budget=budget, replicate=replicate)
        return (await self.execute(task, budget, Watcher(wrote=on_written))).result

    async def estimate(self, strategy: Strategy, query: Query) -> Estimate:
        """The least and the most that `strategy` may cost on `query`."""
        return (await self.plan(strategy, query)).estimate

    async def plan(self, strategy: Strategy, query: Query) -> Plan:
        """What `strategy` may draw on `query`; only to be read."""
        return self._plans.of(strategy, await self._plans.counted(query))

    def open_ledger(self, budget: Budget) -> Ledger:
        """The ledger that holds one task to its budget or its lease."""
        return Ledger(budget)

    async def execute(self, task: Task, lease: Budget, watcher: Watcher = Watcher()) -> Done:
        """Run a task, paying at most `lease` for what the journal does not hold."""
        run = Run(
            task=task.id,
            engines=self._engines,
            gates=self._gates,
            ledger=self.open_ledger(task.budget),
            account=self.open_ledger(lease),
            journal=self._journal or Journal(Memory(), retries=self._retries),
            seed=self._seed if task.seed is None else task.seed,
            replicate=task.replicate,
            watcher=watcher,
        )
        if watcher.began is not None:
            watcher.began(run)
        await self._check_affordable(task, run)
        try:
            candidates = await task.strategy.run(task.query, [], Context(run, task.strategy.kind))
        finally:
            run.release_kept()
        run.check_told()
        if not candidates and run.failures and run.stopped == "done":
            run.stopped = "error"
        result = Result(task.query.id, tuple(candidates), run.ledger.spent, run.stopped, run.reason, run.failures)
        return Done(task.id, result, run.account.spent, run.is_starved, run.is_cut)

    async def _check_affordable(self, task: Task, run: Run) -> None:
        """Refuse a budget that cannot pay for one attempt; a prompt that cannot be counted in time refuses nothing."""
        try:
            async with run.in_time():
                counted = await self._plans.counted(task.query)
        except (EngineError, BudgetExceeded):
            return
        run.prompt_tokens = counted.prompt_tokens
        plan = self._plans.of(task.strategy, counted)
        fresh = Ledger(task.budget)  # a deadline that comes meanwhile ends the run, but refuses nothing
        (await fresh.reserve(plan.attempt.most)).release()


async def run_tasks(
    host: Host,
    tasks: Sequence[Task],
    budget: Budget,
    *,
    spent: Usage = Usage(),
    on_done: Callable[[Done], Awaitable[None]] | None = None,
    at_once: int = 64,
) -> list[Task]:
    """Run tasks under one budget; the tasks that the budget did not reach.

    Each task leases the most it may cost before it starts and gives back what it did not pay. One whose most exceeds
    what is left waits for all before it and runs alone on everything that is left, for most cost far less; it is
    reached if that is enough, and what it drew is in the journal if not. Tasks are admitted in order, so which of them
    the budget reaches does not depend on how fast they run.

    Args:
        host: where they run.
        tasks: in the order of importance.
        budget: for all of them together.
        spent: what the budget has paid already, e.g. before a restart.
        on_done: awaited with each task that has run, also with one that had too little.
        at_once: most tasks running at once.
    """
    account = Ledger(budget, spent=spent)
    floor = _Floor(host, account, on_done, at_once)
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                await floor.enter()
                try:
                    lease = await account.reserve((await host.estimate(task.strategy, task.query)).most)
                except BudgetExceeded as error:
                    await floor.alone(task, error)
                except EngineError as error:
                    group.create_task(floor.report(_never_started(task, error)))
                else:
                    group.create_task(floor.leased(task, lease))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return floor.unreached


class _Floor:
    """The places that tasks run in; a task enters before it is leased, and leaves once it is reported."""

    def __init__(
        self, host: Host, account: Ledger, on_done: Callable[[Done], Awaitable[None]] | None, places: int
    ) -> None:
        self._host, self._account, self._on_done = host, account, on_done
        self._free, self._places = asyncio.Semaphore(places), places
        self.unreached: list[Task] = []

    async def enter(self) -> None:
        """Wait for a place."""
        await self._free.acquire()

    async def report(self, done: Done) -> None:
        """Tell of a task, and leave."""
        try:
            if self._on_done is not None:
                await self._on_done(done)
        finally:
            self._free.release()

    async def leased(self, task: Task, lease: Reservation) -> None:
        """Run a task within its lease."""
        try:
            done = await _finish(self._host, task, self._account, lease)
        except BaseException:
            self._free.release()
            raise
        await self.report(done)

    async def alone(self, task: Task, refused: BudgetExceeded) -> None:
        """Run a task whose lease was `refused` on everything that is left once all others have left."""
        if refused.dimension == "seconds":
            self.unreached.append(task)
            self._free.release()
            return
        for _ in range(self._places - 1):
            await self._free.acquire()
        try:
            done = await self._host.execute(task, self._account.room())
            self._account.charge(done.paid)
        finally:
            for _ in range(self._places - 1):
                self._free.release()
        if done.is_starved:
            self.unreached.append(task)
        await self.report(done)


async def _finish(host: Host, task: Task, account: Ledger, lease: Reservation) -> Done:
    """Run a task to its end, leasing again while lost calls have eaten its lease and the budget allows.

    A task that gets nowhere on lease after lease is cut: an engine that stays away must not eat the budget.
    """
    idle, reached, paid, bound = 0, Usage(), Usage(), lease.bound
    while True:
        try:
            done = await host.execute(task, lease.budget.at_most(Budget(seconds=account.seconds_left())))
        except BaseException:
            lease.charge_in_full()
            raise
        lease.settle(done.paid)
        paid += done.paid
        if not done.is_starved:
            return replace(done, paid=paid)
        idle, reached = (idle + 1 if done.result.usage == reached else 0), done.result.usage
        if idle == MOST_IDLE_LEASES:
            return replace(done, paid=paid, is_cut=True)
        try:
            lease = await account.reserve(bound)
        except BudgetExceeded:
            return replace(done, paid=paid)


def _never_started(task: Task, error: EngineError) -> Done:
    """The end of a task whose query could not even be counted."""
    result = Result(task.query.id, (), Usage(), "error", str(error), failures=1)
    return Done(task.id, result, Usage(), is_cut=isinstance(error, EngineUnavailable))
