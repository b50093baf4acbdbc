"""What the server adds: latency over the bare backend, and the time and memory it takes to start.

A pipeline of one draw is served over an OpenAI-compatible backend that answers each request after a fixed time. The
same requests go to the backend by itself and through the server, with one and with 64 in flight that begin evenly in
time, in turn, in one run; the figure is the median over repeats of what the server adds to the p50 and to the p99.
Start: seconds from the command to the first request taken, and memory then, the median of several starts.
Goals: at most 2 ms at p50 and 10 ms at p99 are added, both at 1 and at 64 in flight; less than 2 s and 150 MB to start.
Client, server and backend share the machine.
Takes about three minutes on two idle cores. The last line is the summary, the exit status 1 where a goal is missed.
Results go to ``results/bench_serve.json``.

    python experiments/bench_serve.py
"""

from __future__ import annotations

import asyncio
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "bench_serve.json"
GOALS = {"p50_ms": 2.0, "p99_ms": 10.0, "start_s": 2.0, "start_mb": 150.0}
LATENCY_S = {1: 0.02, 64: 0.4}
REQUESTS = {1: 150, 64: 1280}
REPEATS, STARTS = 7, 5
PIPELINE = """
name = "pass"

[[stages]]
kind = "sample"
max_tokens = 128

[engines.generator]
kind = "openai"
base_url = "http://127.0.0.1:{port}/v1"
model = "m"
"""
BODY = {"model": "m", "messages": [{"role": "user", "content": "Add the numbers, one step a line."}], "max_tokens": 128}


@contextmanager
def backend(latency_s: float) -> Iterator[int]:
    """A backend of its own process that answers after so many seconds; its port."""
    command = [sys.executable, str(HERE / "fixed_latency_server.py"), str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def server(port: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`ponder serve` over a backend; its address and process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pass.toml"
        file.write_text(PIPELINE.format(port=port))
        command = [sys.executable, "-m", "ponder", "serve", str(file), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().split(" at ")[1].split()[0], process
            finally:
                process.send_signal(signal.SIGTERM)


async def latencies(url: str, model: str, in_flight: int, requests: int) -> list[float]:
    """Seconds that each of so many requests takes, in rising order."""
    taken: list[float] = []
    numbers = iter(range(requests))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def worker(place: int) -> None:
            await asyncio.sleep(LATENCY_S[in_flight] * place / in_flight)
            for _ in numbers:
                began = time.perf_counter()
                async with session.post(f"{url}/chat/completions", json={**BODY, "model": model}) as response:
                    await response.read()
                    assert response.status == 200, await response.text()
                taken.append(time.perf_counter() - began)

        await asyncio.gather(*map(worker, range(in_flight)))
    return sorted(taken)


def percentile(taken: list[float], percent: float) -> float:
    """So much percent of the sorted values are at most this; in milliseconds."""
    return 1e3 * taken[min(len(taken) - 1, int(len(taken) * percent / 100))]


async def added(in_flight: int) -> dict[str, float]:
    """What the server adds to the p50 and the p99, in milliseconds: the median over the repeats."""
    rows = []
    with backend(LATENCY_S[in_flight]) as port, server(port) as (url, _):
        sides = {"bare": (f"http://127.0.0.1:{port}/v1", "m"), "served": (url, "pass")}
        for repeat in range(REPEATS + 1):
            taken = {}
            for name in list(sides)[:: 1 if repeat % 2 else -1]:
                taken[name] = await latencies(*sides[name], in_flight, REQUESTS[in_flight])
            rows.append([percentile(taken["served"], p) - percentile(taken["bare"], p) for p in (50, 99)])
            print(
                f"{in_flight:3d} in flight: adds {rows[-1][0]:5.2f} ms at p50, {rows[-1][1]:5.2f} ms at p99", flush=True
            )
    p50, p99 = (statistics.median(column) for column in zip(*rows[1:], strict=True))
    return {"p50_ms": p50, "p99_ms": p99}


def start() -> dict[str, float]:
    """Seconds until the server takes requests, and megabytes it has then: medians."""
    rows = []
    with backend(0.0) as port:
        for _ in range(STARTS):
            began = time.perf_counter()
            with server(port) as (_, process):
                seconds = time.perf_counter() - began
                status = Path(f"/proc/{process.pid}/status").read_text()
                memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
            rows.append((seconds, memory / 1024))
            print(f"starts in {seconds:.2f} s with {memory / 1024:.0f} MB", flush=True)
    seconds, memory_mb = (statistics.median(column) for column in zip(*rows, strict=True))
    return {"start_s": seconds, "start_mb": memory_mb}


def main() -> int:
    """Measure, write the results, and say whether the goals are met."""
    found = {"start": start(), **{f"{n}_in_flight": asyncio.run(added(n)) for n in LATENCY_S}}
    missed = [f"{where} {name}" for where, row in found.items() for name, value in row.items() if value > GOALS[name]]
    RESULTS.write_text(json.dumps({**found, "goals": GOALS, "missed": missed}, indent=1) + "\n")
    told = "; ".join(
        f"{where}: " + ", ".join(f"{name} {value:.2f}" for name, value in row.items()) for where, row in found.items()
    )
    print(f"{'FAIL ' + ', '.join(missed) if missed else 'PASS'}: {told}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
