"""Pipes and files of memory, waited for by any event loop."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from typing import BinaryIO

CHUNK = 1 << 16


def sealed(content: bytes) -> BinaryIO:
    """A file of memory that nobody can change, at its start; to be read by a child."""
    fd = os.memfd_create("sealed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    file = os.fdopen(fd, "r+b", buffering=0)
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    file.seek(0)
    return file


def pipe() -> tuple[BinaryIO, BinaryIO]:
    """The reading and the writing end of a new pipe."""
    reading, writing = os.pipe()
    return open(reading, "rb", buffering=0), open(writing, "wb", buffering=0)


async def readable(fd: int) -> None:
    """Wait until a descriptor can be read; one of a process, until the process has ended."""
    loop = asyncio.get_running_loop()
    await _called(lambda wake: loop.add_reader(fd, wake), lambda: loop.remove_reader(fd))


async def read_some(file: BinaryIO) -> bytes:
    """What is there next, at most `CHUNK` bytes; nothing at the end."""
    os.set_blocking(file.fileno(), False)
    while True:
        try:
            return os.read(file.fileno(), CHUNK)
        except BlockingIOError:
            await readable(file.fileno())


async def write_all(file: BinaryIO, content: bytearray) -> None:
    """Write everything, and take what is written out of `content`, waiting where the pipe is full.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    loop, fd = asyncio.get_running_loop(), file.fileno()
    os.set_blocking(fd, False)
    while content:
        try:
            del content[: os.write(fd, content)]
        except BlockingIOError:
            await _called(lambda wake: loop.add_writer(fd, wake), lambda: loop.remove_writer(fd))


async def _called(register: Callable[[Callable[[], None]], None], unregister: Callable[[], object]) -> None:
    called = asyncio.Event()
    register(called.set)
    try:
        await called.wait()
    finally:
        unregister()
