"""The processes of the Ray actors that a test has begun, of all that may run on the machine."""

from __future__ import annotations

import os
from pathlib import Path


def actors(name: str) -> list[int]:
    """The processes of the actors called `name` that this process or its children began, oldest first."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().startswith(f"ray::{name}".encode()) and _is_ours(int(folder.name)):
                found.append(int(folder.name))
        except OSError:
            continue
    return sorted(found)


def _is_ours(process: int) -> bool:
    while process not in (0, os.getpid()):
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return process != 0
