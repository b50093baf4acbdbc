"""Child processes: replaced when they must be, never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from ponder.orchestrator.errors import VerifierError
from ponder.verifiers.child_processes.child_pool import ChildPool

PARENT = """
import asyncio, os
from ponder.verifiers.child_processes.math_pool import math_pool
async def main():
    pool = math_pool()
    assert (await pool.ask("form", answer="x+0", cpu_s=10)).value == "x"
    print(*pool.process_ids(), flush=True)
    {then}
asyncio.run(main())
"""
HANG = 'await pool.ask("form", answer="9^{9^{9^9}}", cpu_s=1)'


@pytest.fixture
def pool() -> Iterator[ChildPool]:
    pool = ChildPool("math_worker", children=1)
    yield pool
    pool.close()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pids: list[int], within_s: float) -> bool:
    end = time.monotonic() + within_s
    while any(map(is_alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(is_alive, pids))


async def test_no_process_before_the_first_request(pool: ChildPool) -> None:
    assert pool.process_ids() == []
    assert (await pool.ask("is_right", answer="2/4", gold="1/2", cpu_s=10)).value is True
    assert len(pool.process_ids()) == 1


async def test_a_killed_child_costs_one_request_and_is_replaced(pool: ChildPool) -> None:
    await pool.ask("form", answer="x+1", cpu_s=10)
    (first,) = pool.process_ids()
    hanging = asyncio.create_task(pool.ask("form", answer="9^{9^{9^9}}", cpu_s=10))
    await asyncio.sleep(0.3)
    os.kill(first, signal.SIGKILL)
    reply = await hanging
    assert reply.value is None
    assert "replaced" in reply.problem
    assert (await pool.ask("form", answer="x+2", cpu_s=10)).value == "x + 2"
    assert pool.process_ids() != [first]
    assert wait_until_gone([first], 1)


async def test_a_child_that_dies_idle_is_replaced_unseen(pool: ChildPool) -> None:
    await pool.ask("form", answer="x+1", cpu_s=10)
    os.kill(pool.process_ids()[0], signal.SIGKILL)
    while pool.process_ids():
        await asyncio.sleep(0.01)
    assert (await pool.ask("form", answer="x+2", cpu_s=10)).value == "x + 2"


async def test_stopped_children_are_killed_at_the_wall_limit_also_while_they_are_written_to() -> None:
    pool = ChildPool("math_worker", children=2)
    await asyncio.gather(*(pool.ask("form", answer=f"x+{n}", cpu_s=10) for n in range(2)))
    pids = pool.process_ids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    replies = await asyncio.gather(*(pool.ask("form", answer="x" * n, cpu_s=0.05) for n in (3, 1_000_000)))
    assert [reply.value for reply in replies] == [None, None]
    assert 5 < time.monotonic() - began < 10
    assert wait_until_gone(pids, 1)
    pool.close()


async def test_equal_requests_are_answered_once(pool: ChildPool) -> None:
    began = time.monotonic()
    replies = await asyncio.gather(*(pool.ask("form", answer="9^{9^{9^9}}", cpu_s=0.5) for _ in range(200)))
    assert {reply.problem for reply in replies} == {"time limit"}
    assert time.monotonic() - began < 50


async def test_who_gives_up_does_not_take_the_reply_from_the_others(pool: ChildPool) -> None:
    one, other = (asyncio.create_task(pool.ask("form", answer="y+1", cpu_s=10)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert (await other).value == "y + 1"


async def test_a_closed_pool_answers_nothing(pool: ChildPool) -> None:
    await pool.ask("form", answer="x", cpu_s=10)
    pids = pool.process_ids()
    waiting = [asyncio.create_task(pool.ask("form", answer=f"9^{{9^{{9^{n}}}}}", cpu_s=5)) for n in (8, 9)]
    await asyncio.sleep(0.2)
    pool.close()
    for task in waiting:
        with pytest.raises(VerifierError):
            await task
    with pytest.raises(VerifierError):
        await pool.ask("form", answer="x", cpu_s=10)
    assert wait_until_gone(pids, 1)


@pytest.mark.parametrize("then", ["", "task = asyncio.create_task(" + HANG.removeprefix("await ") + ")", HANG])
def test_children_end_with_their_parent(then: str) -> None:
    done = subprocess.run([sys.executable, "-c", PARENT.format(then=then)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    pids = list(map(int, done.stdout.split()))
    assert pids
    assert wait_until_gone(pids, 1)


def test_children_end_when_their_parent_is_killed_in_mid_request() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.format(then=HANG)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = list(map(int, parent.stdout.readline().split()))
        time.sleep(0.3)
        parent.kill()
    assert pids
    assert wait_until_gone(pids, 15)


def test_a_child_sees_no_secret() -> None:
    code = (
        "import asyncio\nfrom ponder.verifiers.child_processes.child_pool import ChildPool\nasync def main():\n"
        "    pool = ChildPool('math_worker', 1)\n    await pool.ask('form', answer='x', cpu_s=10)\n"
        "    print(open(f'/proc/{pool.process_ids()[0]}/environ').read())\n    pool.close()\nasyncio.run(main())"
    )
    environment = {**os.environ, "OPENAI_API_KEY": "sk-secret"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert "PYTHONHASHSEED" in done.stdout
    assert "sk-secret" not in done.stdout


def test_without_math_verify_the_remedy_is_named() -> None:
    code = (
        "import asyncio, sys\nsys.modules['math_verify'] = None\nfrom ponder.verifiers import SymbolicAnswer\n"
        "asyncio.run(SymbolicAnswer().keys(['3']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "UsageError: mathematical answers need math-verify" in done.stderr
    assert 'pip install "ponder[math]"' in done.stderr
