"""What the sandbox costs a program: wall time from start to end beside bare ``python -I``, side by side.

The same short program runs bare and in the sandbox in turn, 60 times each after a warm-up; which goes first alternates.
For information, the same beside ``python -I -S``, which like the sandbox leaves installed packages alone, and for a
harness that answers one request; then the time of each further request to a harness that is open.

Goal: at most 60 ms over bare ``python -I``, in the median of the pairs. The last line sums up; the exit status is 1
where the goal is missed. Takes about a minute; writes ``experiments/results/bench_sandbox.json``.

    python experiments/bench_sandbox.py
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from ponder.verifiers.sandbox import check_sandbox, opened, run
from ponder.verifiers.sandbox.walls import bubblewrap

GOAL_MS = 60.0
PAIRS = 60
WARM_UP = 5
EXCHANGES = 200
RESULTS = Path(__file__).parent / "results" / "bench_sandbox.json"
PROGRAM = "print(int(input()) + 1)"
HARNESS = "replies = open(4, 'wb', 0)\nfor line in open(3, 'rb'):\n    replies.write(b'%d\\n' % (int(line) + 1))"


async def bare(*flags: str) -> None:
    """The program in a plain process, which is no sandbox."""
    python = str(Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        python, "-I", *flags, "-c", PROGRAM, stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert await process.communicate(b"41") == (b"42\n", b"")


async def without_packages() -> None:
    """The same, with the standard library alone."""
    await bare("-S")


async def sandboxed() -> None:
    """The program in the sandbox."""
    assert (await run(PROGRAM, stdin=b"41")).stdout == b"42\n"


async def one_request() -> None:
    """A harness in the sandbox that answers once."""
    async with opened(HARNESS) as session:
        await session.send(b"41")
        assert await session.receive() == b"42"


async def milliseconds(work: Callable[[], Awaitable[None]]) -> float:
    """Wall time of one go."""
    started = time.perf_counter()
    await work()
    return 1000 * (time.perf_counter() - started)


async def pairs(plain: Callable[[], Awaitable[None]], work: Callable[[], Awaitable[None]]) -> list[tuple[float, float]]:
    """Wall times of `plain` and `work`, neighbours in time."""
    found = []
    for turn in range(-WARM_UP, PAIRS):
        pair = {}
        for each in (plain, work)[:: 1 if turn % 2 else -1]:
            pair[each] = await milliseconds(each)
        if turn >= 0:
            found.append((pair[plain], pair[work]))
    return found


async def exchange() -> float:
    """Microseconds of a further request, in the median."""
    async with opened(HARNESS) as session:
        times = []
        for number in range(EXCHANGES):
            started = time.perf_counter()
            await session.send(b"%d" % number)
            assert await session.receive() == b"%d" % (number + 1)
            times.append(1e6 * (time.perf_counter() - started))
    return statistics.median(times)


def row(found: list[tuple[float, float]]) -> dict[str, float]:
    """The medians of pairs, in milliseconds, and the quartiles of what is over."""
    over = [ours - plain for plain, ours in found]
    low, middle, high = statistics.quantiles(over, n=4)
    measured = {
        "bare": statistics.median(plain for plain, _ in found),
        "sandbox": statistics.median(ours for _, ours in found),
        "over": middle,
        "over_low": low,
        "over_high": high,
    }
    return {name: round(value, 1) for name, value in measured.items()}


async def measure() -> dict[str, object]:
    """All that is reported."""
    version = subprocess.run([bubblewrap(), "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    return {
        "facts": {
            "python": platform.python_version(),
            "bubblewrap": version,
            "kernel": platform.release(),
            "user": "root" if os.geteuid() == 0 else "ordinary",
            "pairs": PAIRS,
        },
        "program_ms": row(await pairs(bare, sandboxed)),
        "program_beside_no_packages_ms": row(await pairs(without_packages, sandboxed)),
        "harness_ms": row(await pairs(bare, one_request)),
        "further_request_us": round(await exchange()),
    }


def main() -> int:
    """Measure, write the results and say whether the goal is met."""
    check_sandbox()
    found = asyncio.run(measure())
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{'':30}{'bare':>8}{'sandbox':>9}{'over':>7}   quartiles, in ms")
    for name, times in found.items():
        if not name.endswith("_ms"):
            continue
        assert isinstance(times, dict)
        label = name.removesuffix("_ms").replace("_", " ")
        medians = f"{times['bare']:8.1f}{times['sandbox']:9.1f}{times['over']:7.1f}"
        print(f"{label:30}{medians}   {times['over_low']:.1f} to {times['over_high']:.1f}")
    print(f"a further request takes {found['further_request_us']} microseconds")
    program = found["program_ms"]
    assert isinstance(program, dict)
    met = program["over"] <= GOAL_MS
    print(
        f"{'PASS' if met else 'MISS'}: the sandbox costs {program['over']:.1f} ms over bare python -I "
        f"(goal: at most {GOAL_MS:.0f} ms)"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
