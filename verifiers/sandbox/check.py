"""Whether there is a sandbox on this machine."""

from __future__ import annotations

import asyncio
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from ...orchestrator.errors import UsageError, VerifierError
from .box import boxed
from .limits import Limits, Ran
from .spawn import Program
from .walls import bubblewrap

_TRIAL = """
import os
import _socket

def is_refused(call, *args):
    try:
        call(*args)
    except OSError:
        return True
    return False

attempts = ((os.fork,), (_socket.socket,), (os.listdir, "/proc"), (open, "/etc/passwd"), (open, "/trace", "w"))
print(os.getuid(), *(is_refused(*attempt) for attempt in attempts))
"""
_HELD = b"65534 True True True True True\n"


@lru_cache(maxsize=1)
def check_sandbox() -> None:
    """Try a sandbox, once in each process, and see that a few of its walls stand.

    Raises:
        UsageError: there is none here; with the reason and the remedy.
    """
    with ThreadPoolExecutor(1) as thread:
        try:
            ran = thread.submit(asyncio.run, _tried()).result()
        except VerifierError as error:
            raise UsageError(
                f"programs run only in a sandbox, and none can be made here: {error}. Where `unshare --user true` "
                "fails, allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
                "kernel.apparmor_restrict_unprivileged_userns); a container must be started with "
                "--security-opt seccomp=unconfined or the like"
            ) from error
    if ran.stdout != _HELD:
        found = (ran.stdout + ran.stderr).decode(errors="replace").strip()
        raise UsageError(
            f"programs run only in a sandbox whose walls hold, but here they do not: {found!r}; do without"
        )


def sandbox_version() -> str:
    """What makes the sandbox here.

    Raises:
        UsageError: there is none; with the reason and the remedy.
    """
    check_sandbox()
    return subprocess.run([bubblewrap(), "--version"], capture_output=True, text=True, check=True).stdout.strip()


async def _tried() -> Ran:
    """Run the trial, whatever else runs: who checks may hold up those who would make room."""
    async with boxed(Program(_TRIAL), Limits()) as box:
        return await box.outcome(Limits().wall_s)
