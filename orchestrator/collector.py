"""The cyclic garbage collector, told that many draws in flight are no garbage."""

from __future__ import annotations

import gc

OBJECTS = 20_000


class SeldomCollected:
    """While one is entered, the collector looks at new objects every 20,000 of them instead of every 700.

    A draw in flight is some fifty live objects without cycles, so that a few hundred draws at once have the collector
    look all the time and find nothing: a sixth of the processor time of a draw, measured. The setting is the
    process's own; the last to leave puts back what the first found.
    """

    _entered = 0
    _found = (700, 10, 10)

    def __enter__(self) -> None:
        cls = SeldomCollected
        if cls._entered == 0:
            cls._found = gc.get_threshold()
            if 0 < cls._found[0] < OBJECTS:
                gc.set_threshold(OBJECTS, *cls._found[1:])
        cls._entered += 1

    def __exit__(self, *error: object) -> None:
        cls = SeldomCollected
        cls._entered -= 1
        if cls._entered == 0:
            gc.set_threshold(*cls._found)
