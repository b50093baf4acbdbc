"""A sandbox while it lives: started, listened to, ended, and certainly gone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from ...orchestrator.errors import VerifierError
from .descriptors import read_some, readable
from .launcher import NOBODY
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
                inside = await self._first_inside()
                if self.pipes.users_mapped is not None:
                    _map_users(inside)
                    os.write(self.pipes.users_mapped.fileno(), b"1")
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
        code, cpu_s = await self._end
        wall_s = time.monotonic() - self._began
        stdout, stderr = await self._stdout, await self._stderr
        status = self._ended_by or self._judged(code, cpu_s, stderr)
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
        """Kill what runs, and wait until nothing of it does."""
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

    async def _first_inside(self) -> int:
        """The process that bubblewrap started in the sandbox; all others in there end with it."""
        about = b""
        while not about.rstrip().endswith(b"}"):
            if not (more := await read_some(self.pipes.about)):
                raise VerifierError(f"a sandbox must start, but did not: {await self._complaint()}")
            about += more
        inside = int(json.loads(about)["child-pid"])
        with suppress(ProcessLookupError):
            self._inside = os.pidfd_open(inside)
            self._descriptors.callback(os.close, self._inside)
        return inside

    async def _complaint(self) -> str:
        self.kill("crashed")
        await self._end
        return (await self._stderr).decode(errors="replace").strip() or "it said nothing"

    async def _reaped(self) -> tuple[int, float]:
        """Wait for bubblewrap: its exit code, which is that of the program, and their processor seconds."""
        process = self.pipes.process
        ended = os.pidfd_open(process.pid)
        try:
            await readable(ended)
        finally:
            os.close(ended)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, usage.ru_utime + usage.ru_stime

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

    def _judged(self, code: int, cpu_s: float, stderr: bytes) -> Status:
        """What a program's end means that nobody ended: the kernel kills it at its processor seconds."""
        if code == 0:
            return "done"
        if code == 128 + signal.SIGKILL and cpu_s > 0.9 * self._limits.cpu_s - 0.1:
            return "timeout"
        return "memory" if stderr.rstrip().rpartition(b"\n")[2].startswith(b"MemoryError") else "crashed"


def _map_users(process: int) -> None:
    """Give root's sandbox two users, root to set it up and nobody to run the program, each the same out here.

    Raises:
        VerifierError: root may not.
    """
    for kind in ("uid_map", "gid_map"):
        try:
            Path(f"/proc/{process}/{kind}").write_text(f"0 0 1\n{NOBODY} {NOBODY} 1\n")
        except OSError as error:
            raise VerifierError(
                f"root must be able to map user {NOBODY} into a sandbox, but cannot: {error}"
            ) from error


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
