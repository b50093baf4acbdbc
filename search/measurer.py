"""Measuring: what is asked runs as tasks under the budget, is judged, and is written down."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from ..orchestrator.budget import Budget
from ..orchestrator.canonical import canonical_json
from ..orchestrator.errors import EngineUnavailable
from ..orchestrator.journal import Journal
from ..orchestrator.runtime import Done, Host, Task, run_tasks
from ..orchestrator.types import Candidate, Usage
from .judge import Judge
from .pool import Draw, Pool
from .record import POOL
from .recorded import Recorded
from .replay import replay
from .wanted import Wanted

ORDERS = 16
"""Orders of a pool that a composition is replayed over."""


class Measurer:
    """Runs what is wanted on a host, each once.

    Args:
        host: where tasks run.
        journal: where results are written.
        judge: turns results into pools.
        pools: results known already, by the task's name; grows.
        seed: of the draws.
        limits: of one answer.
        budget: for everything; its seconds count from here.
        on_done: told of each task that ran.
    """

    def __init__(
        self,
        host: Host,
        journal: Journal,
        judge: Judge,
        pools: dict[str, Pool],
        *,
        seed: int,
        limits: Budget,
        budget: Budget,
        on_done: Callable[[Done], None],
    ) -> None:
        self._host, self._journal, self._judge = host, journal, judge
        self.pools = pools
        self._seed, self._limits, self._budget = seed, limits, budget
        self._opened = time.monotonic()
        self._on_done = on_done
        self.cut = 0

    async def measure(self, wanted: Sequence[Wanted], spent: Usage) -> None:
        """Have every pool that is wanted, as far as the budget reaches.

        Args:
            wanted: the pools, in the order of importance.
            spent: what the budget has paid already.

        Raises:
            EngineUnavailable: an engine stayed away; everything else is recorded.
        """
        todo = {one.id: one for one in wanted if one.id not in self.pools and not one.replayed_from}
        for one in wanted:
            if one.replayed_from and one.id not in self.pools:
                await self._replay(one)
        if not todo:
            return
        tasks = [
            Task(
                id=name,
                strategy=one.arm.at(one.draws),
                query=one.query,
                budget=self._limits,
                replicate=one.replicate,
            )
            for name, one in todo.items()
        ]
        await run_tasks(self._host, tasks, self._left(), spent=spent, on_done=self._recorder(todo))
        if self.cut:
            raise EngineUnavailable(
                f"{self.cut} tasks lost calls to an engine that stayed away; everything else is recorded; see to the "
                "engine, then run the same command again"
            )

    async def _replay(self, one: Wanted) -> None:
        """Replay a composition over the orders of pools that are held; each order is one draw of its outcome."""

        async def label(candidate: Candidate) -> float:
            return await self._judge.label(one.query, candidate)

        recorded = Recorded(
            self._journal.store,
            one.query,
            self._host.engines,
            one.replayed_from,
            label,
            seed=self._seed,
            replicate=one.replicate,
        )
        found = await replay(one.arm.strategy, recorded, ORDERS)
        draws = [Draw(None, each.label, generation=each.usage) for each in found.complete]
        if found.censored:
            return
        await self._write(one, Pool(one.query.id, str(one.query.metadata.get("difficulty", "")), tuple(draws)))

    def _recorder(self, todo: dict[str, Wanted]) -> Callable[[Done], Awaitable[None]]:
        async def record(done: Done) -> None:
            self.cut += done.is_cut
            if not done.is_cut and done.result.stopped in ("done", "error"):
                one = todo[done.task]
                await self._write(one, await self._judge.pool(one.arm, one.draws, one.query, done))
            self._on_done(done)

        return record

    async def _write(self, one: Wanted, pool: Pool) -> None:
        value = canonical_json(pool)
        await self._journal.finish(one.id, value)
        self.pools[one.id] = POOL.validate_json(value)

    def _left(self) -> Budget:
        """The budget, with the seconds that are left of it."""
        if self._budget.seconds is None:
            return self._budget
        passed = time.monotonic() - self._opened
        return self._budget.model_copy(update={"seconds": max(0.0, self._budget.seconds - passed)})
