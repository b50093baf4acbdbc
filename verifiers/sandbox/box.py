"""A sandbox while it lives: started, listened to, ended, and certainly gone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

from ...orchestrator.errors import VerifierError
from .descriptors import read_some, readable
from .limits import Limits, Ran, Status
from .spawn import Program, Spawned, spawn

START_LIMIT_S = 60.0
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
        self._about = b""
        self._inside: int | None = None
        self._ended_by: Status | None = None
        self._began = time.monotonic()
        self._end = asyncio.create_task(self._reaped())
        self._stdout = asyncio.create_task(self._collected())
        self._stderr = asyncio.create_task(self._tail())

    async def begin(self) -> None:
        """Wait until the program is about to run.

        Raises:
            VerifierError: bubblewrap failed, or what sets the limits did.
        """
        try:
            async with asyncio.timeout(START_LIMIT_S):
                await self._learn_inside()
                if await read_some(self.pipes.begun) != b"1":
                    raise VerifierError(f"a sandbox must start, but did not: {await self._complaint()}")
        except TimeoutError:
            raise VerifierError(f"a sandbox must start within {START_LIMIT_S:g} s, but did not") from None
        self._began = time.monotonic()

    async def outcome(self, wall_s: float) -> Ran:
        """How the program ends; it is killed where it runs `wall_s` seconds more."""
        try:
            async with asyncio.timeout(wall_s):
                await asyncio.shield(self._end)
        except TimeoutError:
            self.kill("timeout")
        code = await self._end
        wall_s = time.monotonic() - self._began
        stdout, stderr = await self._stdout, await self._stderr
        status = self._ended_by or self._judged(code, wall_s, stderr)
        return Ran(status, stdout, stderr, None if self._ended_by else code, wall_s)

    def kill(self, status: Status) -> None:
        """End the program, which is then said to have ended with `status`, unless it was ended before."""
        self._ended_by = self._ended_by or status
        if self._inside is None:
            self._kill_bubblewrap()
        else:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._inside, signal.SIGKILL)

    async def close(self) -> None:
        """Kill what runs, and wait until nothing of it does.

        bubblewrap alone must not be killed before it has told what it started: that would stay.
        """
        if self._inside is None:
            with suppress(VerifierError, TimeoutError):
                await asyncio.wait_for(self._learn_inside(), START_LIMIT_S)
        self.kill("crashed")
        if self._inside is not None:
            await readable(self._inside)
        self._kill_bubblewrap()
        await self._end
        for listener in (self._stdout, self._stderr):
            listener.cancel()
        await asyncio.wait((self._stdout, self._stderr))

    def _kill_bubblewrap(self) -> None:
        """Kill it without asking whether it ended, which would take its exit code from who waits for it."""
        if self.pipes.process.returncode is None:
            os.kill(self.pipes.process.pid, signal.SIGKILL)

    async def _learn_inside(self) -> None:
        """Learn which process bubblewrap started in the sandbox; all others in there end with it."""
        while not self._about.rstrip().endswith(b"}"):
            if not (more := await read_some(self.pipes.about)):
                raise VerifierError(f"a sandbox must start, but did not: {await self._complaint()}")
            self._about += more
        with suppress(ProcessLookupError):
            self._inside = os.pidfd_open(json.loads(self._about)["child-pid"])
            self._descriptors.callback(os.close, self._inside)

    async def _complaint(self) -> str:
        self.kill("crashed")
        await self._end
        return (await self._stderr).decode(errors="replace").strip() or "it said nothing"

    async def _reaped(self) -> int:
        """Wait for bubblewrap; its exit code is that of the program."""
        ended = os.pidfd_open(self.pipes.process.pid)
        try:
            await readable(ended)
        finally:
            os.close(ended)
        return self.pipes.process.wait()

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

    def _judged(self, code: int, wall_s: float, stderr: bytes) -> Status:
        """What a program's end means that nobody out here ended.

        At its processor seconds the kernel sends it a signal; one that ignores it is killed a second later.
        """
        if code == 0:
            return "done"
        if code == 128 + signal.SIGXCPU or (code == 128 + signal.SIGKILL and wall_s > self._limits.cpu_s):
            return "timeout"
        return "memory" if stderr.rstrip().rpartition(b"\n")[2].startswith(b"MemoryError") else "crashed"


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
