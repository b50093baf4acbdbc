"""Runners: actors that run strategies over a shard of the queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..budget import Budget
from ..engine import Facts
from ..journal import Retries
from ..runtime import Done, Runtime, Task
from .engine_actor import Replicas
from .store_actor import RemoteStore


class RunnerActor:
    """Runs tasks on its own event loop, over engines that are actors and a journal that is one.

    Args:
        engines: by name, the replicas' handles and what they are.
        gates: most requests in flight on each engine.
        store: handle of the `StoreActor`, or None to keep rows in memory.
    """

    def __init__(
        self,
        engines: Mapping[str, tuple[list[Any], Facts, float]],
        gates: Mapping[str, int],
        store: Any,
        run: int,
        seed: int,
        retries: Retries,
    ) -> None:
        replicas = {name: Replicas(actors, facts, timeout) for name, (actors, facts, timeout) in engines.items()}
        self._runtime = Runtime(
            replicas,
            store=RemoteStore(store) if store is not None else None,
            run=run,
            seed=seed,
            retries=retries,
            in_flight=gates,
        )

    async def execute(self, task: Task, lease: Budget) -> Done:
        """Run one task."""
        return await self._runtime.execute(task, lease)

    async def ping(self) -> None:
        """Answer."""
