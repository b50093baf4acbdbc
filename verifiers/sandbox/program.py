"""One program, from start to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .limits import Limits, Ran


async def run(
    source: str,
    *,
    stdin: bytes = b"",
    argv: Sequence[str] = (),
    files: Mapping[str, bytes] | None = None,
    readable: Sequence[Path] = (),
    limits: Limits | None = None,
) -> Ran:
    """Run a Python program in a sandbox of its own."""
    raise NotImplementedError
