"""Strategies on Ray give the bytes they give in this process, and outlive the actors they run on."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from one_ray import one_ray
from ray_actors import actors

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.cluster import Cluster
from ponder.orchestrator.cluster.engine_actor import Replicas
from ponder.orchestrator.data.sources import SimulatedData
from ponder.orchestrator.engine import Prompt, Request, Sampling
from ponder.orchestrator.engines.denoisers import Mixture
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.pipeline_engine import PipelineEngineSpec
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Message, Query
from ponder.search.reports.findings import report
from ponder.search.reports.report import html
from ponder.search.run_sweep import run_sweep
from ponder.search.searching import Progress
from ponder.search.sweep import Sweep
from ponder.strategies import SVDD, BestOfN, Hogwild, RandomNoiseSearch, Sample
from ponder.testing.image_world import MEANS, PICTURE, SHAPE, SPREAD, looking
from ponder.verifiers import ClassLogprob, ExactMatch, ProcessReward

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("ray"), pytest.mark.timeout(180)]
MOST_TASKS_AT_ONCE = 64


@pytest.fixture(scope="module", autouse=True)
def one_cluster() -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with one_ray():
        yield


SPACE = {
    "options": [
        {"kind": "self_consistency", "max_tokens": 64, "n": {"kind": "choice", "values": [1, 4, 8]}},
        {
            "kind": "best_of_n",
            "max_tokens": 64,
            "n": {"kind": "choice", "values": [2, 4, 8]},
            "verifier": {"kind": "process_reward"},
        },
    ]
}


class Stopped(Exception):
    """Raised by an observer that has seen enough."""


def sweep_of(where: str, *, latency_s: float = 0.0, replicas: int = 1, runners: int = 1, size: int = 20) -> Sweep:
    return Sweep(
        name="small",
        data=SimulatedData(size=size),
        engines={
            "generator": SimulatedSpec(latency_s=latency_s, jitter_s=latency_s, max_in_flight=32),
            "reward": SimulatedSpec(reward_noise=1.0, max_in_flight=32),
        },
        checker=ExactMatch(),
        space=SPACE,
        budget=Budget(total_tokens=150_000),
        where=where,
        replicas={"generator": replicas},
        runners=runners,
    )


async def page(sweep: Sweep, journal: Path, observe=lambda progress: None) -> tuple[str, Progress]:
    record, progress = await run_sweep(sweep, journal, observe)
    return html(report(record)), progress


def paid_keys(journal: Path) -> list[bytes]:
    with sqlite3.connect(journal) as connection:
        return [row[0] for row in connection.execute("SELECT key FROM intents")]


async def test_same_bytes_as_in_this_process(tmp_path: Path) -> None:
    here, _ = await page(sweep_of("local"), tmp_path / "local.db")
    there, _ = await page(sweep_of("ray"), tmp_path / "ray.db")
    spread, _ = await page(sweep_of("ray", latency_s=0.01, replicas=3, runners=2), tmp_path / "spread.db")
    assert here == there == spread


async def test_a_pipeline_is_an_engine_of_a_sweep_wherever_it_runs(tmp_path: Path) -> None:
    """What it may cost is known to runners in other processes too."""
    plain = sweep_of("local", size=8)
    best = Pipeline.series(BestOfN(n=2, max_tokens=64, verifier=ProcessReward()), engines=plain.engines)
    changes = {"engines": {**plain.engines, "generator": PipelineEngineSpec(pipeline=best)}}
    changes["budget"] = Budget(total_tokens=40_000)
    found = [
        await page(plain.model_copy(update={**changes, "where": where}), tmp_path / where) for where in ("local", "ray")
    ]
    assert found[0][0] == found[1][0] and found[0][1].done > 0


async def test_resumes_in_this_process_what_began_on_ray(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.phase == "search" and progress.done >= 40:
            raise Stopped

    with pytest.raises(Stopped):
        await page(sweep_of("ray"), tmp_path / "j.db", stop)
    drawn = paid_keys(tmp_path / "j.db")
    resumed, progress = await page(sweep_of("local"), tmp_path / "j.db")
    whole, _ = await page(sweep_of("local"), tmp_path / "whole.db")
    assert resumed == whole
    assert progress.replayed >= 40
    assert set(drawn) < set(paid_keys(tmp_path / "j.db")) == set(paid_keys(tmp_path / "whole.db"))


@pytest.mark.parametrize("victim", ["EngineActor", "RunnerActor"])
async def test_an_actor_killed_in_the_middle_changes_nothing(tmp_path: Path, victim: str) -> None:
    size = 2 * MOST_TASKS_AT_ONCE // 3  # some queries are first asked about after the kill
    undisturbed, _ = await page(sweep_of("local", size=size), tmp_path / "calm.db")
    killed: list[int] = []

    def kill_once(progress: Progress) -> None:
        if progress.done >= 4 and not killed:
            killed.extend(actors(victim))
            os.kill(killed[0], signal.SIGKILL)

    disturbed, _ = await page(sweep_of("ray", latency_s=0.1, size=size), tmp_path / "killed.db", kill_once)
    assert killed, "nothing was killed"
    assert disturbed == undisturbed
    keys = paid_keys(tmp_path / "killed.db")
    again = len(keys) - len(set(keys))
    assert 0 <= again <= 64, "only what was in flight is sent again"
    assert len(set(keys)) == len(set(paid_keys(tmp_path / "calm.db")))


async def test_a_missing_model_is_refused_with_its_remedy() -> None:
    from ponder.orchestrator.engines.vllm import VLLMSpec

    with pytest.raises((EngineRefused, EngineUnavailable), match="model must be"):
        async with Cluster({"generator": VLLMSpec(model="/no/such/model")}):
            pass


async def test_a_budget_holds_on_the_cluster() -> None:
    query = SimulatedData(size=1).load()[0]
    budget = Budget(total_tokens=600)
    engines = {"generator": SimulatedSpec(), "reward": SimulatedSpec()}
    task = Task(id="t", strategy=BestOfN(n=64, max_tokens=64, verifier=ProcessReward()), query=query, budget=budget)
    async with Cluster(engines) as cluster, Runtime(engines) as runtime:
        there, here = await cluster.execute(task, budget), await runtime.execute(task, budget)
    assert there == here
    assert there.result.stopped == "budget"
    assert there.result.usage.total_tokens <= 600
    assert there.result.best is not None


async def test_an_engine_that_never_fits_the_cluster_is_named() -> None:
    class Greedy(SimulatedSpec):
        def resources(self) -> dict[str, float]:
            return {"num_cpus": 1000}

    with pytest.raises(EngineUnavailable, match="1000"):
        async with Cluster({"generator": Greedy()}, start_timeout_s=3):
            pass


async def test_estimates_on_the_cluster() -> None:
    engines = {"generator": SimulatedSpec()}
    query = SimulatedData(size=1).load()[0]
    async with Cluster(engines) as cluster, Runtime(engines) as runtime:
        strategy = Sample(n=3, max_tokens=16)
        assert await cluster.estimate(strategy, query) == await runtime.estimate(strategy, query)


async def test_workers_that_write_together_do_so_on_replicas() -> None:
    """Progress comes back from a replica, and what shares a cache stays with one."""
    spec = SimulatedSpec(world=World(seed=4, steps=5), token_latency_s=0.002)
    engines = {"generator": spec}
    knobs = {"max_tokens": 40, "step_ends": ("\n",), "answer_opens": "answer: ", "answer_ends": "\n", "finisher": "\n"}
    tasks = [
        Task(id=layout, strategy=Hogwild(layout=layout, instructions="Share.", **knobs), query=Query.ask("Problem 3?"))
        for layout in ("steps", "combined")
    ]
    heard: list[Any] = []
    asked = Request(Prompt((Message(role="user", content="Problem 3?"),)), Sampling(max_tokens=60), 7)
    async with Cluster(engines, replicas={"generator": 2}) as cluster, Runtime(engines) as runtime:
        watched = await cluster.engines["generator"].complete(asked, heard.append)  # type: ignore[call-arg]
        assert watched == await runtime.engines["generator"].complete(asked)
        for task in tasks:
            there, here = await cluster.execute(task, task.budget), await runtime.execute(task, task.budget)
            assert there == here and there.result.best is not None
    assert [each.tokens for each in heard] == list(range(1, watched.usage.completion_tokens + 1))
    assert "".join(each.text for each in heard) == watched.text


IMAGES = {
    # one row at a time, so that there is something to do
    "generator": DiffusionSpec(denoiser=Mixture(means=MEANS, variance=SPREAD, shape=SHAPE, batch=1), row_seconds=1e-6),
    "reward": looking(1),
}


def drawn(search: Strategy, budget: Budget = Budget()) -> Task:
    return Task(id=search.kind, strategy=search, query=PICTURE, budget=budget)


async def test_images_are_the_same_bytes_as_in_this_process() -> None:
    judged = {"verifier": ClassLogprob()}
    tasks = [
        drawn(RandomNoiseSearch(n=6, steps=3, guidance=2.0, **judged)),
        drawn(SVDD(n=4, steps=3, interpolant="variance_preserving", **judged)),
        drawn(SVDD(n=4, steps=3, **judged), Budget(nfe=9)),
    ]
    async with Cluster(IMAGES, replicas={"generator": 2}) as cluster, Runtime(IMAGES) as runtime:
        assert cluster.engines["generator"].capabilities == runtime.engines["generator"].capabilities
        for task in tasks:
            there, here = await cluster.execute(task, Budget()), await runtime.execute(task, Budget())
            assert canonical_json(there.result) == canonical_json(here.result)
            assert there.paid == here.paid
            assert there.result.best is not None
        estimates = [await host.estimate(tasks[0].strategy, PICTURE) for host in (cluster, runtime)]
        assert estimates[0] == estimates[1]


async def test_passages_of_a_killed_replica_are_made_again_elsewhere() -> None:
    import ray

    task = drawn(RandomNoiseSearch(n=12, steps=100, verifier=ClassLogprob()))
    async with Runtime(IMAGES) as runtime:
        calm = await runtime.execute(task, Budget())
    async with Cluster(IMAGES, replicas={"generator": 2}) as cluster, Runtime(cluster.engines) as runtime:
        replicas = cluster.engines["generator"]
        assert isinstance(replicas, Replicas)
        work = asyncio.create_task(runtime.execute(task, Budget()))
        while min(replicas._in_flight) < 2:
            await asyncio.sleep(0.001)
        assert not work.done()
        ray.kill(replicas._actors[1], no_restart=False)
        done = await work
    assert canonical_json(done.result) == canonical_json(calm.result)
    assert done.paid.calls > calm.paid.calls, "what was in flight is paid again"
