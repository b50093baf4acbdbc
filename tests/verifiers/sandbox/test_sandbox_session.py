"""A program that answers line by line: what comes is bounded in size and time, and how it ended is known."""

from __future__ import annotations

import asyncio
import time

import pytest
from sandbox_host import processes_with

from ponder.orchestrator.errors import UsageError
from ponder.verifiers.sandbox import REPLIES, REQUESTS, Limits, opened
from ponder.verifiers.sandbox.box import boxed
from ponder.verifiers.sandbox.spawn import Program

ECHO = f"""
requests, replies = open({REQUESTS}, "rb"), open({REPLIES}, "wb", buffering=0)
for line in requests:
    print("noise" * 100)
    replies.write(line.upper())
"""
LIMITS = Limits(wall_s=20, cpu_s=5, memory_mib=128, files_mib=8, reply_bytes=100_000)


def limits(**others: float) -> Limits:
    return LIMITS.model_copy(update=others)


async def test_lines_are_answered_in_order() -> None:
    async with opened(ECHO, limits=LIMITS) as session:
        for word in (b"one", b"", b"x" * 90_000, b"two"):
            await session.send(word)
            assert await session.receive() == word.upper()
        for word in (b"a", b"b", b"c"):
            await session.send(word)
        assert [await session.receive() for _ in range(3)] == [b"A", b"B", b"C"]
        ran = await session.end()
    assert (ran.status, ran.stdout, ran.stderr, ran.exit_code) == ("done", b"", b"", None)


async def test_what_it_is_given_is_there() -> None:
    source = f"import sys; open({REPLIES}, 'w').write(sys.argv[1] + open('data').read() + sys.stdin.read() + '\\n')"
    async with opened(source, argv=["a"], files={"data": b"b"}, limits=LIMITS) as session:
        assert await session.receive() == b"ab"


async def test_what_it_prints_is_lost_and_nothing_of_the_host() -> None:
    source = f"""
import os
print("lost", flush=True)
try:
    os.utime(1)
except OSError as error:
    os.write({REPLIES}, error.strerror.encode() + b"\\n")
"""
    async with opened(source, limits=LIMITS) as session:
        assert await session.receive() == b"Read-only file system"
        assert (await session.end()).stdout == b""


@pytest.mark.parametrize(
    ("source", "status", "code", "others"),
    [
        ("", "done", 0, {}),
        ("import time; time.sleep(60)", "timeout", None, {"wall_s": 0.3}),
        ("while True: pass", "timeout", 152, {"cpu_s": 1}),
        ("1 / 0", "crashed", 1, {}),
        ("x = [0] * 10**9", "memory", 1, {}),
        (
            "import os\nos.write(4, b'x' * 1000)\nos.write(4, b'x' * 1000)",
            "too_much_output",
            None,
            {"reply_bytes": 1999},
        ),
        ("import os\nwhile True: os.write(4, b'x')", "too_much_output", None, {"reply_bytes": 1999}),
        ("import os\nos.write(4, b'half a line')", "done", 0, {}),
        ("import os, time\nos.close(4)\ntime.sleep(60)", "timeout", None, {"wall_s": 0.3}),
        ("import os, time\nos.closerange(0, 100)\ntime.sleep(60)", "timeout", None, {"wall_s": 0.3}),
    ],
)
async def test_no_reply_says_why(source: str, status: str, code: int | None, others: dict[str, float]) -> None:
    async with opened(source, limits=limits(**others)) as session:
        await session.send(b"request")
        assert await session.receive() is None
        await session.send(b"another")
        assert await session.receive() is None
        ran = await session.end()
    assert (ran.status, ran.exit_code) == (status, code), ran


async def test_a_program_that_ended_by_itself_is_not_said_to_be_done(marker: str) -> None:
    source = "import os, sys\nos.write(4, b'last\\n')\nsys.exit(3)"
    async with opened(source, argv=[marker], limits=LIMITS) as session:
        assert await session.receive() == b"last"
        while processes_with(marker):
            await asyncio.sleep(0.01)
        ran = await session.end()
    assert (ran.status, ran.exit_code) == ("crashed", 3)


async def test_replies_nobody_asked_for_are_not_hoarded() -> None:
    source = "import os\nwhile True: os.write(4, b'spam\\n')"
    async with opened(source, limits=limits(wall_s=1)) as session:
        assert [await session.receive() for _ in range(1000)] == [b"spam"] * 1000
        assert (await session.end()).status == "done"


async def test_a_program_that_does_not_read_is_ended() -> None:
    async with opened("import time; time.sleep(60)", limits=limits(wall_s=0.5)) as session:
        await session.send(b"x" * 1_000_000)
        assert await session.receive() is None
        assert (await session.end()).status == "timeout"


def stand_still(seconds: float) -> None:
    """Block the event loop as soon as it is given the chance."""
    asyncio.get_running_loop().call_soon(time.sleep, seconds)


@pytest.mark.parametrize("size", [1, 90_000, 1_000_000])
async def test_an_answer_that_came_while_our_loop_stood_still_counts(size: int) -> None:
    """One larger than a pipe comes only while both sides are awake."""
    async with opened(ECHO, limits=limits(wall_s=0.5, reply_bytes=1_000_000)) as session:
        await session.send(b"x")
        assert await session.receive() == b"X"
        stand_still(1.5)
        await session.send(b"x" * size)
        assert await session.receive() == b"X" * size
        await session.send(b"x")
        assert await session.receive() == b"X"


async def test_an_end_that_came_while_our_loop_stood_still_counts() -> None:
    async with boxed(Program("print('x' * 90_000)\nexit(3)"), LIMITS) as box:
        stand_still(3.0)
        ran = await box.outcome(0.5)
    assert (ran.status, ran.exit_code, len(ran.stdout)) == ("crashed", 3, 90_001)


async def test_a_program_that_runs_on_while_our_loop_stands_still_is_ended() -> None:
    async with opened("import time; time.sleep(60)", limits=limits(wall_s=0.5)) as session:
        await session.send(b"x")
        stand_still(1)
        assert await session.receive() is None
        assert (await session.end()).status == "timeout"


async def test_an_exchange_may_be_given_less_time() -> None:
    async with opened("import time; time.sleep(60)", limits=LIMITS) as session:
        await session.send(b"x", wall_s=0.3)
        assert await session.receive() is None
        ran = await session.end()
    assert ran.status == "timeout" and ran.wall_s < LIMITS.wall_s


async def test_a_request_is_one_line() -> None:
    async with opened(ECHO, limits=LIMITS) as session:
        with pytest.raises(UsageError, match="must be one line"):
            await session.send(b"a\nb")


async def test_the_program_ends_with_the_block(marker: str) -> None:
    async with opened(ECHO, argv=[marker], limits=LIMITS) as session:
        await session.send(b"a")
        assert await session.receive() == b"A"
        assert len(processes_with(marker)) == 3
    assert processes_with(marker) == []


async def test_cancelling_an_exchange_ends_the_program(marker: str) -> None:
    async def wait() -> None:
        async with opened("import time; time.sleep(60)", argv=[marker], limits=LIMITS) as session:
            await session.receive()

    task = asyncio.create_task(wait())
    while len(processes_with(marker)) < 3:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_with(marker) == []
