"""Settings of the whole process that are better while some work goes on."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
OBJECTS = 20_000
SWITCH_S = 0.0005


class Setting(Generic[T]):
    """A setting of the process, changed while one or more have entered it: the last to leave puts back what was found.

    Args:
        read: what it is.
        write: sets it.
        better: what it should be instead of what is found.

    >>> threads = Setting(sys.getswitchinterval, sys.setswitchinterval, lambda found: found / 2)
    >>> found = sys.getswitchinterval()
    >>> with threads, threads:
    ...     round(sys.getswitchinterval() / found, 6)
    0.5
    >>> sys.getswitchinterval() == found
    True
    """

    def __init__(self, read: Callable[[], T], write: Callable[[T], object], better: Callable[[T], T]) -> None:
        self._read, self._write, self._better = read, write, better
        self._entered = 0
        self._found: T

    def __enter__(self) -> None:
        if self._entered == 0:
            self._found = self._read()
            self._write(self._better(self._found))
        self._entered += 1

    def __exit__(self, *error: object) -> None:
        self._entered -= 1
        if self._entered == 0:
            self._write(self._found)


def _seldom(found: tuple[int, int, int]) -> tuple[int, int, int]:
    return (OBJECTS, *found[1:]) if 0 < found[0] < OBJECTS else found


SELDOM_COLLECTED = Setting(gc.get_threshold, lambda found: gc.set_threshold(*found), _seldom)
"""The cyclic garbage collector looks at new objects every 20,000 of them instead of every 700.

A draw in flight is some fifty live objects without cycles, so that a few hundred draws at once have the collector look
all the time and find nothing: a sixth of the processor time of a draw, measured.
"""

QUICK_SWITCHES = Setting(sys.getswitchinterval, sys.setswitchinterval, lambda found: min(found, SWITCH_S))
"""A thread that waits for the interpreter gets it within half a millisecond instead of five.

A network in a thread of its own asks for it at each of its hundreds of operations; while it waits for the loop's
thread, torch's other threads wait too, at work: a tenth of the time of a search over images, measured.
"""
