"""The child process in which mathematics is read: one JSON line in, one JSON line out.

Reading ``$9^{9^{9^9}}$`` may take for ever, so every request has a limit of CPU seconds (which, unlike a wall limit,
does not depend on how busy the machine is). A timer ends Python code at the limit; what does not return to Python is
killed by the kernel's own limit soon after; the memory is bounded. The child ends when its input does.
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


class OutOfTime(BaseException):
    """The request used up its CPU seconds. Not an `Exception`, so that no library swallows it."""


def main() -> None:
    """Serve requests until the input ends."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    _limit_memory()
    try:
        import math_verify  # noqa: F401 - loaded before the first request, which must not pay for it
    except ImportError as error:
        _send(replies, None, f"math_verify cannot be imported: {error}")
        return
    _send(replies, "ready", "")
    for line in sys.stdin:
        _send(replies, *answered(json.loads(line)))


def answered(request: Mapping[str, Any]) -> tuple[bool | str | None, str]:
    """The value asked for, or None and the problem."""
    try:
        with cpu_limit(request["cpu_s"]):
            return _WORK[request["do"]](request), ""
    except OutOfTime:
        return None, TIME_LIMIT
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


def _is_right(request: Mapping[str, Any]) -> bool | str | None:
    """Whether the answer equals the gold, which comes first: the check is not symmetric."""
    from math_verify import verify

    gold = _parsed(request["gold"])
    if not gold:
        raise ValueError("the reference cannot be read as mathematics")
    return bool(verify(gold, _parsed(request["answer"]), timeout_seconds=None))


def _form(request: Mapping[str, Any]) -> bool | str | None:
    """The canonical form of the answer; None where it cannot be read."""
    from .math_form import canonical_form

    values = [value for value in _parsed(request["answer"]) if not isinstance(value, str)]
    return canonical_form(values[0]) if values else None


def _parsed(expression: str) -> list[Any]:
    from math_verify import parse

    found: list[Any] = parse(f"\\boxed{{{expression}}}", parsing_timeout=None)
    return found


_WORK: dict[str, Callable[[Mapping[str, Any]], bool | str | None]] = {"is_right": _is_right, "form": _form}


def _limit_memory() -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _send(replies: IO[str], value: bool | str | None, problem: str) -> None:
    replies.write(json.dumps({"value": value, "problem": problem}) + "\n")


if __name__ == "__main__":
    main()
