"""A sandbox while it lives: started, listened to, ended, and certainly gone."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

from ...orchestrator.errors import VerifierError
from .deadline import in_time
from .descriptors import read_some, readable
from .limits import Limits, Ran, Status
from .spawn import Program, Spawned, spawn

START_LIMIT_S = 60.0
GRACE_S = 2.0
STDERR_BYTES = 8192


@asynccontextmanager
async def boxed(program: Program, limits: Limits) -> AsyncIterator[Box]:
    """A sandbox in which the program has just begun; at the end it is killed, and nothing of it is left.

    Raises:
        UsageError: bubblewrap or libseccomp is missing, or the program's files cannot be shown.
        VerifierError: the sandbox does not start.
    """
    with ExitStack() as descriptors:
        box = Box(spawn(program, limits, descriptors), limits, descriptors)
        try:
            await box.begin()
            yield box
        finally:
            await _though_cancelled(box.close())


class Box:
    """bubblewrap, and the program in it.

    Args:
        spawned: bubblewrap, just started, and our ends of its pipes.
        limits: what the program may use.
        descriptors: closes what is opened here.
    """

    def __init__(self, spawned: Spawned, limits: Limits, descriptors: ExitStack) -> None:
        self.pipes = spawned
        self._limits = limits
        self._descriptors = descriptors
        self._about = self._told = b""
        self._bubblewrap = self._watched(spawned.process.pid)
        self._first_inside: int | None = None
        self._ended_by: Status | None = None
        self._began = time.monotonic()
        self._stdout = asyncio.create_task(self._collected())
        self._stderr = asyncio.create_task(self._tail())

    async def begin(self) -> None:
        """Wait until the program is about to run.

        Raises:
            VerifierError: bubblewrap failed, or what sets the limits did.
        """
        try:
            await in_time(time.monotonic() + START_LIMIT_S, self._begun)
        except TimeoutError:
            raise VerifierError(f"a sandbox must start within {START_LIMIT_S:g} s, but did not") from None
        self._began = time.monotonic()

    async def outcome(self, wall_s: float) -> Ran:
        """How the program ends; it is killed where it runs `wall_s` seconds more."""
        try:
            await in_time(time.monotonic() + wall_s, self._empty)
        except TimeoutError:
            self.kill("timeout")
            await self._empty()
        wall_s = time.monotonic() - self._began
        await self._bubblewrap_ended()
        stdout, stderr = await self._stdout, await self._stderr
        code = None if self._ended_by else await self._exit_code()
        return Ran(self._ended_by or self._judged(code, wall_s, stderr), stdout, stderr, code, wall_s)

    def kill(self, status: Status) -> None:
        """End the program, which is then said to have ended with `status`, unless it was ended before."""
        self._ended_by = self._ended_by or status
        _kill(self._first_inside)

    def has_ended(self) -> bool:
        """Whether no process is in the sandbox any more."""
        if self._first_inside is None:
            return True
        poller = select.poll()
        poller.register(self._first_inside, select.POLLIN)
        return bool(poller.poll(0))

    async def close(self) -> None:
        """Kill what runs, and wait until nothing of it does.

        bubblewrap must not be killed before it has told what it started: that would stay.
        """
        if not self._about.endswith(b"\n"):
            with suppress(VerifierError, TimeoutError):
                await in_time(time.monotonic() + START_LIMIT_S, self._learn_first_inside)
        self.kill("crashed")
        await self._empty()
        await self._bubblewrap_ended()
        for listener in (self._stdout, self._stderr):
            listener.cancel()
        await asyncio.wait((self._stdout, self._stderr))

    async def _begun(self) -> None:
        await self._learn_first_inside()
        self._told = await read_some(self.pipes.guard)
        if not self._told.startswith(b"begun\n"):
            raise VerifierError(f"a sandbox must start, but did not: {await self._complaint()}")

    async def _learn_first_inside(self) -> None:
        """Learn which process bubblewrap started; all others in the sandbox end with it."""
        while not self._about.endswith(b"\n"):
            if not (more := await read_some(self.pipes.about)):
                raise VerifierError(f"a sandbox must start, but did not: {await self._complaint()}")
            self._about += more
        self._first_inside = self._watched(json.loads(self._about.splitlines()[0])["child-pid"])

    def _watched(self, process: int) -> int | None:
        """A descriptor of a process, which names no other once it is gone; None where it is gone already."""
        try:
            descriptor = os.pidfd_open(process)
        except ProcessLookupError:
            return None
        self._descriptors.callback(os.close, descriptor)
        return descriptor

    async def _empty(self) -> None:
        """Wait until no process is in the sandbox."""
        if self._first_inside is not None and not self.has_ended():
            await readable(self._first_inside)

    async def _bubblewrap_ended(self) -> None:
        """Wait for bubblewrap to end: it reaps the first process inside.

        Where this process ignores the end of its children, so does bubblewrap, and has to be killed.
        """
        if self._bubblewrap is not None:
            try:
                async with asyncio.timeout(0 if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN else GRACE_S):
                    await readable(self._bubblewrap)
            except TimeoutError:
                _kill(self._bubblewrap)
                await readable(self._bubblewrap)
        self.pipes.process.wait()

    async def _complaint(self) -> str:
        """What bubblewrap or the launcher said in the end."""
        self.kill("crashed")
        await self._bubblewrap_ended()
        return (await self._stderr).decode(errors="replace").strip() or "it said nothing"

    async def _exit_code(self) -> int | None:
        """The program's exit code as its guard told it, which the program cannot do."""
        while more := await read_some(self.pipes.guard):
            self._told += more
        _, _, code = self._told.partition(b"\n")
        return int(code) if code else None

    async def _collected(self) -> bytes:
        collected = bytearray()
        while len(collected) <= self._limits.reply_bytes and (more := await read_some(self.pipes.stdout)):
            collected += more
        if len(collected) > self._limits.reply_bytes:
            self.kill("too_much_output")
        return bytes(collected[: self._limits.reply_bytes])

    async def _tail(self) -> bytes:
        tail = b""
        while more := await read_some(self.pipes.stderr):
            tail = (tail + more)[-STDERR_BYTES:]
        return tail

    def _judged(self, code: int | None, wall_s: float, stderr: bytes) -> Status:
        """What a program's end means that nobody out here ended.

        At its processor seconds the kernel sends it a signal; one that ignores it is killed a second later.
        """
        if code == 0:
            return "done"
        if code == 128 + signal.SIGXCPU or (code == 128 + signal.SIGKILL and wall_s > self._limits.cpu_s):
            return "timeout"
        return "memory" if stderr.rstrip().rpartition(b"\n")[2].startswith(b"MemoryError") else "crashed"


def _kill(process: int | None) -> None:
    if process is not None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)


async def _though_cancelled(work: Coroutine[Any, Any, None]) -> None:
    """Do all of something, and be cancelled only then."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()
