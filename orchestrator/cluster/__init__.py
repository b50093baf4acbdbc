"""The cluster: the same tasks on Ray, strategies in runner actors over engine actors.

The journal's file stays with the driver, outside Ray: losing any actor, node or the head loses nothing paid for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any, Self

from ..budget import Budget
from ..canonical import digest
from ..engine import Engine, EngineSpec, Facts
from ..errors import EngineUnavailable, PonderError, UsageError
from ..journal import Retries, Store
from ..plans import Plans
from ..runtime import Done, Task
from ..shape import Estimate
from ..strategy import Strategy
from ..types import Query, Result, Usage
from .engine_actor import EngineActor, Replicas
from .joining import join
from .runner_actor import RunnerActor
from .store_actor import RemoteStore, StoreActor


class Cluster:
    """Runs tasks on Ray: a `Host` like `Runtime`, giving the same bytes.

    Use it as a context manager. It joins the Ray cluster at `address` or the one in ``RAY_ADDRESS``, and starts one on
    this machine where there is none.

    Args:
        engines: by the names the strategies use.
        journal: path of the journal's file; None keeps rows in memory for each task alone.
        run: the run's number in the journal.
        seed: chooses the draws.
        retries: how calls that fail for a time are sent again.
        replicas: replicas of each engine; one where not named.
        runners: actors that run strategies.
        start_timeout_s: how long an engine may take to start, and to come back when it dies; None takes each spec's.
    """

    def __init__(
        self,
        engines: Mapping[str, EngineSpec],
        *,
        journal: str | os.PathLike[str] | None = None,
        run: int = 0,
        seed: int = 0,
        retries: Retries = Retries(),
        replicas: Mapping[str, int] | None = None,
        runners: int = 1,
        start_timeout_s: float | None = None,
        address: str | None = None,
    ) -> None:
        self._specs = dict(engines)
        self._journal = journal
        self._run, self._seed, self._retries = run, seed, retries
        self._replicas = {name: (replicas or {}).get(name, 1) for name in engines}
        self._runner_count = runners
        self._start_timeouts_s = {name: start_timeout_s or spec.start_timeout_s for name, spec in engines.items()}
        self._address = address
        self._has_joined = self._owns_ray = False
        self._engine_actors: dict[str, list[Any]] = {}
        self._engines: dict[str, Replicas] = {}
        self._plans = Plans(self._engines)
        self._runners: list[Any] = []
        self._store_actor: Any = None

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._join)
            await self._start_actors()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    @property
    def store(self) -> Store | None:
        """The journal's rows, where there is a journal."""
        return RemoteStore(self._store_actor) if self._store_actor is not None else None

    @property
    def engines(self) -> Mapping[str, Engine]:
        """The engines over their replicas, by name."""
        return self._engines

    async def estimate(self, strategy: Strategy, query: Query) -> Estimate:
        """The least and the most that `strategy` may cost on `query`."""
        return self._plans.of(strategy, await self._plans.counted(query)).estimate

    async def execute(self, task: Task, lease: Budget) -> Done:
        """Run a task on the runner that its query belongs to; when the runner dies, on the one that replaces it."""
        import ray

        index = int.from_bytes(digest(task.query.messages)[:4], "big") % len(self._runners)
        runner = self._runners[index]
        try:
            done: Done = await runner.execute.remote(task, lease)
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, PonderError) else error) from None
        except ray.exceptions.RayActorError:
            if self._runners[index] is runner:
                self._runners[index] = self._new_runner()
            return Done(task.id, Result(task.query.id, (), Usage(), "error"), _usage_of(lease), is_starved=True)
        return done

    async def close(self) -> None:
        """Stop what this cluster started."""
        if not self._has_joined:
            return
        import ray

        for engine in self._engines.values():
            await engine.close()
        if self._store_actor is not None:
            await _quietly(self._store_actor.close.remote())
        closing = [actor.close.remote() for name in self._engines for actor in self._engine_actors[name]]
        await asyncio.gather(*map(_quietly, closing))
        for actor in (*self._runners, *(a for actors in self._engine_actors.values() for a in actors)):
            ray.kill(actor)
        if self._store_actor is not None:
            ray.kill(self._store_actor)
        if self._owns_ray:
            await asyncio.to_thread(ray.shutdown)

    def _join(self) -> None:
        try:
            import ray
        except ImportError:
            raise UsageError('Ray must be installed to run on a cluster; run: pip install "ponder[ray]"') from None
        self._has_joined = True
        if ray.is_initialized():
            return
        self._owns_ray = True
        join(self._address, "try again, or run with --local")

    async def _start_actors(self) -> None:
        import ray

        host = ray.remote(max_restarts=-1, max_task_retries=0, max_concurrency=10_000)(EngineActor)
        for name, spec in self._specs.items():
            options = host.options(**spec.resources())
            self._engine_actors[name] = [options.remote(spec) for _ in range(self._replicas[name])]
        if self._journal is not None:
            here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(_this_node(), soft=False)
            store = ray.remote(num_cpus=0, max_concurrency=10_000, scheduling_strategy=here)(StoreActor)
            self._store_actor = store.remote(os.path.abspath(self._journal))
        facts = await asyncio.gather(*map(self._facts, self._specs))
        for name, fact in zip(self._specs, facts, strict=True):
            self._engines[name] = Replicas(self._engine_actors[name], fact, self._start_timeouts_s[name])
        self._runners = [self._new_runner() for _ in range(self._runner_count)]

    async def _facts(self, name: str) -> Facts:
        """Start every replica of an engine and say what it is."""
        import ray

        try:
            async with asyncio.timeout(self._start_timeouts_s[name]):
                found: list[Facts] = await asyncio.gather(*(a.facts.remote() for a in self._engine_actors[name]))
        except TimeoutError:
            free = ray.available_resources()
            raise EngineUnavailable(
                f"engine {name!r} must start within {self._start_timeouts_s[name]:g} s, but did not; it asks for "
                f"{self._specs[name].resources()} a replica and the cluster has {free.get('CPU', 0):g} CPUs and "
                f"{free.get('GPU', 0):g} GPUs free; free some, or raise the engine's start_timeout_s"
            ) from None
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, PonderError) else error) from None
        except ray.exceptions.RayActorError as error:
            raise EngineUnavailable(f"engine {name!r} must start, but its actor died: {error}") from None
        return found[0]

    def _new_runner(self) -> Any:
        import ray

        engines = {
            name: (actors, Facts(e.identity, e.capabilities, e.meter), self._start_timeouts_s[name])
            for name, e in self._engines.items()
            for actors in [self._engine_actors[name]]
        }
        gates = {name: spec.max_in_flight for name, spec in self._specs.items()}
        runner = ray.remote(num_cpus=0, max_concurrency=10_000)(RunnerActor)
        return runner.remote(engines, gates, self._store_actor, self._run, self._seed, self._retries)


def _usage_of(lease: Budget) -> Usage:
    """A lease spent in full: what work of unknown cost is charged."""
    limits = lease.limits()
    prompt, completion, _, *others = (limit or 0 for limit in limits)
    return Usage(prompt, 0, completion, *others)


def _this_node() -> str:
    import ray

    node: str = ray.get_runtime_context().get_node_id()
    return node


async def _quietly(answer: Any) -> None:
    try:
        async with asyncio.timeout(10):
            await answer
    except Exception:
        return
