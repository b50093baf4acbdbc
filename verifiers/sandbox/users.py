"""The users of root's sandboxes.

A sandbox that root makes has two users, root to set it up and nobody to run the program, each the same as out here: the
kernel holds root to no number of processes. bubblewrap alone makes sandboxes with one user, so the namespace that knows
the two is made beforehand. One sandbox at a time lives in it, so its processes are counted by themselves.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from ...orchestrator.errors import VerifierError
from .launcher import NOBODY

_KEEPER = ("unshare", "--user", "cat")


@contextmanager
def two_users() -> Iterator[int]:
    """A user namespace for one sandbox, as a descriptor; it is used again by later ones.

    Raises:
        VerifierError: root cannot make one here.
    """
    idle = _idle_of(os.getpid())
    namespace = idle.pop() if idle else _made()
    try:
        yield namespace
    finally:
        idle.append(namespace)


@lru_cache(maxsize=1)
def _idle_of(_pid: int) -> list[int]:
    return []


def _made() -> int:
    """Map the users of a process that waits in a new namespace, and keep the namespace when the process ends."""
    piped = subprocess.PIPE
    try:
        with subprocess.Popen(_KEEPER, env={}, stdin=piped, stdout=piped, stderr=piped) as keeper:
            assert keeper.stdin and keeper.stdout and keeper.stderr
            keeper.stdin.write(b"\n")
            keeper.stdin.flush()
            if not keeper.stdout.read(1):
                raise VerifierError(f"a sandbox must start, but did not: {keeper.stderr.read().decode().strip()}")
            process = Path("/proc", str(keeper.pid))
            for kind in ("uid_map", "gid_map"):
                (process / kind).write_text(f"0 0 1\n{NOBODY} {NOBODY} 1\n")
            return os.open(process / "ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise VerifierError(f"root must be able to map user {NOBODY} into a sandbox, but cannot: {error}") from error
