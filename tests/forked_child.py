"""Work in forked processes, which may be killed."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable


def in_children(works: Iterable[Callable[[], object]]) -> list[int]:
    """Run each of `works` in a forked process of its own, all at once; their exit statuses, negative for a signal."""
    children = [forked(work) for work in works]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked process; its exit status, 0 where nothing failed, negative for a signal."""
    return in_children([work])[0]


def forked(work: Callable[[], object]) -> int:
    """A process that runs `work` and ends."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
