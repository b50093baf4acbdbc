"""What a child process of a pool does: one JSON line in, one JSON line out.

Hostile texts may take for ever, so every request has a limit of CPU seconds (which, unlike a wall limit, does not
depend on how busy the machine is). A timer ends Python code at the limit; what does not return to Python is killed by
the kernel's own limit soon after; the memory is bounded. The child ends when its input does.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from math import ceil
from types import FrameType
from typing import IO, Any

MEMORY_BYTES = 2 << 30
TIME_LIMIT = "time limit"
Work = Mapping[str, Callable[[Mapping[str, Any]], bool | str | None]]


class OutOfTime(BaseException):
    """The request used up its CPU seconds. Not an `Exception`, so that no library swallows it."""


class CannotTell(Exception):
    """The work cannot be done on what was given; says why."""


def serve(work: Work, load: Callable[[], object]) -> None:
    """Serve requests until the input ends.

    Args:
        work: what can be done, by its name.
        load: imports what the work needs, before the first request, which must not pay for it.
    """
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    _limit_memory()
    try:
        load()
    except ImportError as error:
        _send(replies, None, f"a package cannot be imported: {error}")
        return
    _send(replies, "ready", "")
    for line in sys.stdin:
        _send(replies, *answered(work, json.loads(line)))


def answered(work: Work, request: Mapping[str, Any]) -> tuple[bool | str | None, str]:
    """The value asked for, or None and the problem."""
    try:
        with cpu_limit(request["cpu_s"]):
            return work[request["do"]](request), ""
    except OutOfTime:
        return None, TIME_LIMIT
    except CannotTell as error:
        return None, str(error)
    except (Exception, RecursionError, MemoryError) as error:
        return None, f"{type(error).__name__}: {error}"[:200]


@contextlib.contextmanager
def cpu_limit(cpu_s: float) -> Iterator[None]:
    """Raise `OutOfTime` in the block after `cpu_s` CPU seconds; be killed a second or two later if it does not end."""
    spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    killed_at = ceil(spent + cpu_s + 1)
    resource.setrlimit(resource.RLIMIT_CPU, (killed_at if hard < 0 else min(killed_at, hard), hard))
    signal.signal(signal.SIGPROF, _out_of_time)
    try:
        # Repeated, because an exception raised inside a destructor or a callback is lost.
        signal.setitimer(signal.ITIMER_PROF, cpu_s, 0.05)
        yield
    finally:
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _out_of_time(_signal: int, _frame: FrameType | None) -> None:
    raise OutOfTime


def _limit_memory() -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _send(replies: IO[str], value: bool | str | None, problem: str) -> None:
    replies.write(json.dumps({"value": value, "problem": problem}) + "\n")
