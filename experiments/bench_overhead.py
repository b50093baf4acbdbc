"""What ponder costs the client: processor time and wall time a request, and memory held, beside bare aiohttp.

A server in another process answers every chat completion after a fixed 300 ms with the same bytes. Against it run,
side by side and in turn, with 256 requests in flight: a bare aiohttp loop, the `openai` engine alone, the engine under
a `Context` (16 draws a query, ledger and journal in memory), and, for information, one draw a query, the journal on
disk, and the openai package's own client. Python's cyclic garbage collector is set for all of them as `Runtime` sets
it, and left as Python starts for two rows more. Then 10,000 queries of 16 draws each are held in a fresh process.

Goals: engine and Context at most 1.3 times the processor time and 1.05 times the wall time of the bare loop; 10,000
queries under 250 MB, growing linearly. The last line sums up; the exit status is 1 where a goal is missed. Takes about
two and a half minutes on two cores; writes ``experiments/results/bench_overhead.json``.

    python experiments/bench_overhead.py
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import aiohttp
import orjson

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Prompt, Request, Sampling
from ponder.orchestrator.engines.openai import OpenAIEngine, OpenAISpec
from ponder.orchestrator.journal import Journal, Memory, Store
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.process_settings import SELDOM_COLLECTED
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Candidate, Query, Result
from ponder.strategies.sample import Sample

RESULTS = Path(__file__).parent / "results" / "bench_overhead.json"
SERVER = Path(__file__).parent / "fixed_latency_server.py"
LATENCY_S = 0.3
IN_FLIGHT = 256
REQUESTS = 2560
FEWER, FEWEST = 1280, 512
REPEATS = 5
DRAWS = 16
CPU_GOAL, WALL_GOAL = 1.3, 1.05
CHECKPOINTS = (2_500, 5_000, 10_000)
MEMORY_LATENCY_S = 0.02
MEMORY_GOAL_MB = 250.0
GROWTH_GOAL = 1.15
SAMPLING = Sampling(max_tokens=256)
Requests = Callable[[int], Awaitable[object]]


@lru_cache(REQUESTS)
def query(i: int) -> Query:
    """A question of about forty tokens."""
    return Query.ask(f"Question {i}: " + "what does every carefully chosen word add up to " * 4, id=str(i))


@contextmanager
def serving(latency_s: float) -> Iterator[str]:
    """The base address of a server in another process."""
    process = subprocess.Popen([sys.executable, str(SERVER), str(latency_s)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()


async def in_parallel(total: int, workers: int, one: Requests) -> None:
    """Do `one(0)` to `one(total - 1)` with `workers` at a time."""
    numbers = iter(range(total))

    async def work() -> None:
        for i in numbers:
            await one(i)

    await asyncio.gather(*(work() for _ in range(workers)))


@asynccontextmanager
async def bare(base_url: str) -> AsyncIterator[Requests]:
    """What anybody would write: one session, JSON out, JSON in, text and usage read."""
    headers = {"Authorization": "Bearer key", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one(i: int) -> tuple[str, int, int]:
            messages = [{"role": m.role, "content": m.content} for m in queries[i // DRAWS].messages]
            sent = {"model": "m", "messages": messages, "max_tokens": 256, "temperature": 1.0, "top_p": 1.0, "seed": i}
            async with session.post(f"{base_url}/chat/completions", data=orjson.dumps(sent)) as answer:
                answer.raise_for_status()
                got = orjson.loads(await answer.read())
            usage = got["usage"]
            return got["choices"][0]["message"]["content"], usage["prompt_tokens"], usage["completion_tokens"]

        queries = [query(i) for i in range(REQUESTS // DRAWS)]
        yield one


@asynccontextmanager
async def started(base_url: str) -> AsyncIterator[OpenAIEngine]:
    """The engine, open."""
    os.environ["PONDER_BENCH_KEY"] = "key"
    engine = OpenAISpec(base_url=base_url, model="m", api_key_env="PONDER_BENCH_KEY", max_in_flight=IN_FLIGHT).open()
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def engine_alone(base_url: str) -> AsyncIterator[Requests]:
    """`OpenAIEngine.complete`, 16 draws of each prompt."""
    prompts = [Prompt(query(i).messages) for i in range(REQUESTS // DRAWS)]
    async with started(base_url) as engine:
        yield lambda i: engine.complete(Request(prompts[i // DRAWS], SAMPLING, i))


def sampler(engine: OpenAIEngine, store: Store, draws: int) -> Callable[[int], Awaitable[list[Candidate]]]:
    """Draws of query `i` through a `Context` of its own, under one shared budget, gate and journal."""
    account, journal = Ledger(Budget(total_tokens=10**12, calls=10**9)), Journal(store)
    gates = {"generator": asyncio.Semaphore(IN_FLIGHT)}
    budget = Budget(total_tokens=10**9, calls=10**6)
    rounds = itertools.count()

    async def sample(i: int) -> list[Candidate]:
        run = Run(f"{next(rounds)}", {"generator": engine}, gates, Ledger(budget), account, journal, seed=next(rounds))
        candidates = await Context(run, "sample").sample(query(i), draws, SAMPLING)
        assert len(candidates) == draws, run.reason
        return candidates

    return sample


@asynccontextmanager
async def context(base_url: str) -> AsyncIterator[Requests]:
    """`Context.sample`, 16 draws a query, journal in memory."""
    async with started(base_url) as engine:
        yield sampler(engine, Memory(), DRAWS)


@asynccontextmanager
async def context_single(base_url: str) -> AsyncIterator[Requests]:
    """`Context.sample`, one draw a query, journal in memory."""
    async with started(base_url) as engine:
        yield sampler(engine, Memory(), 1)


@asynccontextmanager
async def context_on_disk(base_url: str) -> AsyncIterator[Requests]:
    """`Context.sample`, 16 draws a query, journal in a file, every row synced."""
    with tempfile.TemporaryDirectory() as folder:
        store = JournalFile(Path(folder) / "journal.sqlite")
        try:
            async with started(base_url) as engine:
                yield sampler(engine, store, DRAWS)
        finally:
            store.close()


@asynccontextmanager
async def sdk(base_url: str) -> AsyncIterator[Requests]:
    """The openai package's own client."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=base_url, api_key="key", max_retries=0) as client:
        queries = [query(i) for i in range(REQUESTS // DRAWS)]

        async def one(i: int) -> str | None:
            content = queries[i // DRAWS].messages[0].content
            got = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": content}], max_tokens=256, temperature=1.0, seed=i
            )
            return got.choices[0].message.content

        yield one


@dataclass(frozen=True)
class Row:
    """One way to send requests: `workers` at a time, `batch` requests a call."""

    how: Callable[[str], AbstractAsyncContextManager[Requests]]
    requests: int = REQUESTS
    batch: int = 1
    workers: int = IN_FLIGHT
    is_seldom_collected: bool = True


QUERIES_AT_ONCE = IN_FLIGHT // DRAWS
ROWS = {
    "bare aiohttp": Row(bare),
    "engine": Row(engine_alone),
    "engine + context": Row(context, REQUESTS, DRAWS, QUERIES_AT_ONCE),
    "engine + context + file": Row(context_on_disk, FEWER, DRAWS, QUERIES_AT_ONCE),
    "engine + context, 1 draw": Row(context_single, FEWER),
    "openai package": Row(sdk, FEWEST),
    "bare aiohttp, default gc": Row(bare, FEWER, is_seldom_collected=False),
    "engine + context, default gc": Row(context, FEWER, DRAWS, QUERIES_AT_ONCE, is_seldom_collected=False),
}
GOALS = ("engine", "engine + context")


async def measured(name: str, base_url: str) -> tuple[float, float]:
    """Processor microseconds and wall milliseconds a request, connections already open."""
    row = ROWS[name]
    with SELDOM_COLLECTED if row.is_seldom_collected else nullcontext():
        async with row.how(base_url) as one:
            await in_parallel(2 * IN_FLIGHT // row.batch, row.workers, one)
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            await in_parallel(row.requests // row.batch, row.workers, one)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu / row.requests * 1e6, wall / row.requests * 1e3


def compare() -> dict[str, dict[str, object]]:
    """Every row, `REPEATS` times in turn, each turn starting with another."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in ROWS}
    names = list(ROWS)
    with serving(LATENCY_S) as base_url:
        for turn in range(REPEATS):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                seen[name].append(asyncio.run(measured(name, base_url)))
    return {name: summed_up(name, values, seen[names[0]]) for name, values in seen.items()}


def summed_up(name: str, seen: list[tuple[float, float]], first: list[tuple[float, float]]) -> dict[str, object]:
    """Medians of a row, and of its ratios to the first row in the same turn."""
    ratios = [
        (cpu / base_cpu, wall / base_wall) for (cpu, wall), (base_cpu, base_wall) in zip(seen, first, strict=True)
    ]
    return {
        "cpu_us": round(statistics.median(cpu for cpu, _ in seen), 1),
        "wall_ms": round(statistics.median(wall for _, wall in seen), 4),
        "cpu_ratio": round(statistics.median(cpu for cpu, _ in ratios), 3),
        # fewer requests leave a smaller share of time with all 256 in flight
        "wall_ratio": round(statistics.median(wall for _, wall in ratios), 3)
        if ROWS[name].requests == REQUESTS
        else None,
        "cpu_us_each": [round(cpu, 1) for cpu, _ in seen],
        "wall_ms_each": [round(wall, 4) for _, wall in seen],
    }


def resident_mb() -> float:
    """Memory of this process that is in RAM."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def hold(base_url: str) -> dict[str, float]:
    """Hold the results of 10,000 queries that a `Runtime` ran; resident memory before and at each checkpoint."""
    os.environ["PONDER_BENCH_KEY"] = "key"
    spec = OpenAISpec(base_url=base_url, model="m", api_key_env="PONDER_BENCH_KEY", max_in_flight=IN_FLIGHT)
    strategy, budget = Sample(n=DRAWS, max_tokens=SAMPLING.max_tokens), Budget(total_tokens=10**6)
    held: dict[int, Result] = {}
    async with Runtime({"generator": spec}) as runtime:

        async def one(i: int) -> None:
            held[done + i] = await runtime.run(strategy, query.__wrapped__(done + i), budget)

        done = 0
        sizes = {"0": resident_mb()}
        for checkpoint in CHECKPOINTS:
            await in_parallel(checkpoint - done, QUERIES_AT_ONCE, one)
            done = checkpoint
            sizes[str(checkpoint)] = resident_mb()
    assert sum(len(result.candidates) for result in held.values()) == CHECKPOINTS[-1] * DRAWS
    return sizes


def memory() -> dict[str, float]:
    """`hold` in a fresh process."""
    with serving(MEMORY_LATENCY_S) as base_url:
        command = [sys.executable, __file__, "--hold", base_url]
        sizes: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return sizes


def main() -> int:
    """Measure, print, write the results; the exit status."""
    rows = compare()
    print(f"{'':30}{'CPU us':>9}{'ratio':>8}{'wall ms':>9}{'ratio':>8}   (a request; medians of {REPEATS})")
    for name, row in rows.items():
        wall_ratio = "" if row["wall_ratio"] is None else f"{row['wall_ratio']:.3f}"
        print(f"{name:30}{row['cpu_us']:9.1f}{row['cpu_ratio']:8.2f}{row['wall_ms']:9.3f}{wall_ratio:>8}")
    sizes = memory()
    start, half, full = sizes["0"], sizes["5000"], sizes["10000"]
    growth = (full - half) / (half - start)
    print("resident MB at queries: " + ", ".join(f"{at}: {size:.0f}" for at, size in sizes.items()))

    verdicts = {f"{name} cpu": (rows[name]["cpu_ratio"], CPU_GOAL) for name in GOALS}
    verdicts |= {f"{name} wall": (rows[name]["wall_ratio"], WALL_GOAL) for name in GOALS}
    verdicts |= {"memory MB": (round(full, 1), MEMORY_GOAL_MB), "growth": (round(growth, 3), GROWTH_GOAL)}
    software = {name: version(name) for name in ("aiohttp", "orjson", "openai", "pydantic")}
    RESULTS.parent.mkdir(exist_ok=True)
    facts = {"python": platform.python_version(), **software, "latency_s": LATENCY_S, "in_flight": IN_FLIGHT}
    facts |= {"requests": REQUESTS, "draws": DRAWS, "repeats": REPEATS}
    summary = {name: {"value": v, "goal": goal, "met": v <= goal} for name, (v, goal) in verdicts.items()}
    RESULTS.write_text(json.dumps({"facts": facts, "rows": rows, "resident_mb": sizes, "goals": summary}, indent=1))
    print("; ".join(f"{n} {v} (<= {g}) {'PASS' if v <= g else 'MISS'}" for n, (v, g) in verdicts.items()))
    return 0 if all(goal["met"] for goal in summary.values()) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--hold"]:
        print(json.dumps(asyncio.run(hold(sys.argv[2]))))
    else:
        sys.exit(main())
