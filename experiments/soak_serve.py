"""Whether a server leaks: half an hour at 200 requests a second, and what is left of them afterwards.

`ponder serve` with the simulated engine, keys and an accounts file gets a mix of whole answers, streams, refused
requests, requests sent again and clients that leave, evenly in time whatever the server does. Descriptors, tasks and
resident memory are read after a warm-up of a tenth of the time and again at the end, the server being idle, and memory
every few seconds between. Wanted: no request without an answer but those whose client left, no descriptor or task more
than at first, no run in flight, and less than 16 MB more memory, of which the last half no more than 4 MB. The last
line is the summary, the exit status 1 where something leaks. Results go to ``results/soak_serve.json``.

    python experiments/soak_serve.py [SECONDS]
"""

from __future__ import annotations

import asyncio
import collections
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

RESULTS = Path(__file__).parent / "results" / "soak_serve.json"
SECONDS, RATE, READ_S = 1800.0, 200, 5.0
LIMITS = {"descriptors": 0, "tasks": 0, "runs": 0, "memory_mb": 16.0, "late_memory_mb": 4.0}
KEY = "a-key-for-the-soak"
PIPELINE = """
name = "vote"

[[stages]]
kind = "self_consistency"
n = 2
max_tokens = 64

[engines.generator]
kind = "simulated"
latency_s = 0.02
"""
KEYS = f"""
[[keys]]
name = "soak"
key = "{KEY}"
budget = {{ total_tokens = 1000000000000 }}
"""
KINDS = {"whole": 55, "stream": 25, "refused": 5, "again": 5, "gone": 5, "gone_stream": 5}


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """`ponder serve`; its address and process id."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "vote.toml").write_text(PIPELINE)
        (place / "keys.toml").write_text(KEYS)
        command = [sys.executable, "-m", "ponder", "serve", str(place / "vote.toml"), "--port", "0"]
        command += ["--key-file", str(place / "keys.toml"), "--accounts", str(place / "accounts.db")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().split(" at ")[1].split()[0], process.pid
            finally:
                process.send_signal(signal.SIGTERM)


class Load:
    """Requests of all kinds to one server.

    Args:
        session: sends them.
        url: of the server, with ``/v1``.
        questions: how many different ones are asked.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, questions: int) -> None:
        self._session, self._url, self._questions = session, url, questions
        self._random = random.Random(0)
        self._number = 0
        self._running: set[asyncio.Task[None]] = set()
        self.outcomes: collections.Counter[str] = collections.Counter()

    async def send(self, seconds: float) -> None:
        """Requests at an even rate for so long, and until the last has ended."""
        began = time.monotonic()
        for number in range(round(seconds * RATE)):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            (kind,) = self._random.choices(list(KINDS), KINDS.values())
            task = asyncio.create_task(self._one(kind))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        await asyncio.gather(*self._running)

    async def _one(self, kind: str) -> None:
        self._number += 1
        question = f"Problem {self._number % self._questions}: which number do the steps lead to?"
        body: dict[str, Any] = {"model": "vote", "messages": [{"role": "user", "content": question}]}
        body |= {"stream": kind in ("stream", "gone_stream")}
        if kind == "refused":
            body["temperature"] = "warm"
        try:
            if kind.startswith("gone"):
                async with asyncio.timeout(self._random.uniform(0.001, 0.03)):
                    self.outcomes[f"early {await self._answered(body)}"] += 1
            elif kind == "again":
                first = asyncio.create_task(self._answered(body))
                await asyncio.sleep(0.005)
                statuses = await self._answered(body, {"x-stainless-retry-count": "1"}), await first
                self.outcomes[f"again {statuses}"] += 1
            else:
                self.outcomes[f"{kind} {await self._answered(body)}"] += 1
        except TimeoutError:
            self.outcomes["left"] += 1
        except aiohttp.ClientError as error:
            self.outcomes[f"lost {type(error).__name__}"] += 1

    async def _answered(self, body: dict[str, Any], headers: dict[str, str] | None = None) -> int:
        async with self._session.post(f"{self._url}/chat/completions", json=body, headers=headers) as response:
            text = await response.text()
            is_whole = response.status != 200 or not body["stream"] or text.endswith("[DONE]\n\n")
            return response.status if is_whole else 0


async def standing(session: aiohttp.ClientSession, url: str, pid: int) -> dict[str, float]:
    """What an idle server holds."""
    await asyncio.sleep(3.0)
    async with session.get(url.removesuffix("/v1") + "/metrics") as response:
        told = await response.text()
    gauges = {name: float(value) for name, value in re.findall(r"(?m)^ponder_(tasks|runs_in_flight) (\S+)$", told)}
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return {
        "descriptors": descriptors,
        "tasks": gauges["tasks"],
        "runs": gauges["runs_in_flight"],
        "memory_mb": memory_mb(pid),
    }


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


async def soak(seconds: float, warm_s: float, questions: int) -> dict[str, Any]:
    """What the server holds `warm_s` seconds after it began and at the end of `seconds`, and how the requests ended."""
    headers = {"authorization": f"Bearer {KEY}"}
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=1.0)
    with server() as (url, pid):
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            load, memory = Load(session, url, questions), []
            await load.send(warm_s)
            before = await standing(session, url, pid)
            going = asyncio.create_task(load.send(seconds - warm_s))
            while not (await asyncio.wait([going], timeout=READ_S))[0]:
                memory.append(round(memory_mb(pid), 1))
                print(
                    f"{len(memory) * READ_S:6.0f} s: {memory[-1]:.1f} MB, {sum(load.outcomes.values())} requests",
                    flush=True,
                )
            going.result()
            after = await standing(session, url, pid)
    middle = memory[len(memory) // 2] if memory else before["memory_mb"]
    grown = {name: after[name] - before[name] for name in before} | {"late_memory_mb": after["memory_mb"] - middle}
    return {"seconds": seconds, "outcomes": dict(load.outcomes), "after": after, "grown": grown, "memory_mb": memory}


def leaks(found: dict[str, Any]) -> list[str]:
    """What is more than it may be, and requests that went unanswered."""
    grown = [f"{name} +{found['grown'][name]:g}" for name, limit in LIMITS.items() if found["grown"][name] > limit]
    fine = ("whole 200", "stream 200", "refused 400", "again (200, 200)", "early 200", "left")
    return grown + [f"{count} x {outcome}" for outcome, count in found["outcomes"].items() if outcome not in fine]


def main() -> int:
    """Soak, write the results, and say whether anything leaks."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    found = asyncio.run(soak(seconds, seconds / 10, round(seconds * RATE)))
    wrong = leaks(found)
    if len(sys.argv) == 1:
        RESULTS.write_text(json.dumps({**found, "leaks": wrong}, indent=1) + "\n")
    grown = ", ".join(f"{name} {value:+.1f}" for name, value in found["grown"].items())
    print(f"{'FAIL ' + '; '.join(wrong) if wrong else 'PASS'}: {sum(found['outcomes'].values())} requests; {grown}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
