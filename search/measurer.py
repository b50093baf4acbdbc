"""Measuring: what is asked runs as tasks under the budget, is judged, and is written down."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from ..orchestrator.budget import Budget
from ..orchestrator.canonical import canonical_json
from ..orchestrator.errors import EngineUnavailable
from ..orchestrator.journal import Journal
from ..orchestrator.runtime import Done, Host, Task, run_tasks
from ..orchestrator.types import Candidate, Usage
from .pools.judge import Judge
from .pools.pool import Draw, Pool
from .pools.recorded import Recorded
from .pools.replay import replay
from .pools.wanted import Wanted

ORDERS = 16
"""Orders of a pool that a composition is replayed over."""
REPLAYED_AT_ONCE = 16
"""Queries on which compositions are replayed side by side, for a store may be far away."""


class Measurer:
    """Runs what is wanted on a host, each once.

    Args:
        host: where tasks run.
        journal: where results are written.
        judge: turns results into pools.
        pools: results known already, by the task's name; grows.
        seed: of the draws.
        limits: of one answer.
        budget: for everything.
        spent: what the budget has paid so far; set it to what the journal says, which knows better after failures.
        on_done: told what each newly cost when it has ended.
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
        spent: Usage,
        on_done: Callable[[Usage], None],
    ) -> None:
        self._host, self._journal, self._judge = host, journal, judge
        self.pools = pools
        self._seed, self._limits, self._budget = seed, limits, budget
        self.spent = spent
        self._opened = time.monotonic()
        self._on_done = on_done
        self._cut = 0

    @property
    def seconds(self) -> float:
        """The seconds that the sweep has taken, earlier runs included; 0 where the budget does not limit them."""
        return 0.0 if self._budget.seconds is None else time.monotonic() - self._opened

    def had_taken(self, seconds: float) -> None:
        """Note that the sweep had taken so long by now in an earlier run."""
        self._opened = time.monotonic() - seconds

    async def measure(self, wanted: Sequence[Wanted], limits: Budget) -> None:
        """Have every pool that is wanted, as far as a budget reaches.

        Args:
            wanted: the pools, in the order of importance.
            limits: what the sweep may have spent and how long it may have taken by the end.

        Raises:
            EngineUnavailable: an engine stayed away; everything else is recorded.
        """
        todo = [one for one in wanted if one.id not in self.pools]
        await self._run([one for one in todo if not one.replayed_from], limits)
        await self._run(await self._replay([one for one in todo if one.replayed_from]), limits)
        if self._cut:
            raise EngineUnavailable(
                f"{self._cut} tasks lost calls to an engine that stayed away; everything else is recorded; see to the "
                "engine, then run the same command again"
            )

    async def _run(self, todo: Sequence[Wanted], limits: Budget) -> None:
        """Run what is to be drawn."""
        by_id = {one.id: one for one in todo}
        strategies = {(one.arm.id, one.draws): one.arm.at(one.draws) for one in todo}
        tasks = [
            Task(
                id=one.id,
                strategy=strategies[one.arm.id, one.draws],
                query=one.query,
                budget=self._limits,
                replicate=one.replicate,
            )
            for one in todo
        ]

        async def record(done: Done) -> None:
            self._cut += done.is_cut
            self.spent += done.paid
            if not (done.is_cut or done.is_starved):
                one = by_id[done.task]
                await self._write(one, await self._judge.pool(one.arm, one.draws, one.query, done))
            self._on_done(done.paid)

        left = None if limits.seconds is None else max(0.0, limits.seconds - self.seconds)
        if tasks:
            budget = limits.model_copy(update={"seconds": left})
            await run_tasks(self._host, tasks, budget, spent=self.spent, on_done=record)

    async def _replay(self, todo: Sequence[Wanted]) -> list[Wanted]:
        """Replay compositions over the orders of pools that are held; those that ask for what is not there."""
        together: dict[object, list[Wanted]] = defaultdict(list)
        for one in todo:
            together[one.query.id, one.replicate, one.replayed_from].append(one)
        free = asyncio.Semaphore(REPLAYED_AT_ONCE)

        async def replayed(some: list[Wanted]) -> list[Wanted]:
            async with free:
                recorded = self._recorded(some[0])
                return [one for one in some if not await self._found(one, recorded)]

        return [one for some in await asyncio.gather(*map(replayed, together.values())) for one in some]

    def _recorded(self, one: Wanted) -> Recorded:
        async def label(candidate: Candidate) -> float:
            return await self._judge.label(one.query, candidate)

        return Recorded(
            self._journal.store,
            one.query,
            self._host.engines,
            one.replayed_from,
            label,
            seed=self._seed,
            replicate=one.replicate,
        )

    async def _found(self, one: Wanted, recorded: Recorded) -> bool:
        """Replay a composition, each order of its pools a draw of its outcome; whether all it asks is recorded."""
        found = await replay(one.arm.strategy, recorded, ORDERS)
        if found.censored:
            return False
        draws = [Draw(None, each.label, generation=each.usage) for each in found.complete]
        await self._write(one, Pool(one.query.id, one.query.difficulty, tuple(draws)))
        self._on_done(Usage())
        return True

    async def _write(self, one: Wanted, pool: Pool) -> None:
        await self._journal.finish(one.id, canonical_json(pool))
        self.pools[one.id] = pool
