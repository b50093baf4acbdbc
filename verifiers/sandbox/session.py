"""A program that answers line by line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from .limits import Limits, Ran

REQUESTS = 3
REPLIES = 4


class Session:
    """A program that runs in a sandbox and answers line by line."""

    async def send(self, line: bytes) -> None:
        """Send a line, without its newline."""
        raise NotImplementedError

    async def receive(self) -> bytes | None:
        """The program's next line, without its newline; None where none comes, and the session is over."""
        raise NotImplementedError

    async def end(self) -> Ran:
        """End the program where it still runs, and say how it ended."""
        raise NotImplementedError


@asynccontextmanager
async def opened(
    source: str,
    *,
    argv: Sequence[str] = (),
    files: Mapping[str, bytes] | None = None,
    readable: Sequence[Path] = (),
    limits: Limits | None = None,
) -> AsyncIterator[Session]:
    """Start a Python program in a sandbox of its own and talk to it."""
    raise NotImplementedError
    yield Session()
