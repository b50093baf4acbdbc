"""Calls answered in waves: how many of them had to be made one after another."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

CALM = 128
"""Turns of the event loop without a new call after which no more will come before one is answered."""


@dataclass(slots=True)
class Waves:
    """Holds calls until no more come, then lets all of them go at once.

    So a call is in the first wave in which it could have been made, and there are as many waves as calls in the longest
    sequence of those that wait for one another.

    Args:
        count: waves so far.
    """

    count: int = 0
    _calls: int = 0

    async def passed(self) -> None:
        """Wait until the wave that a call has come in is over."""
        self._calls += 1
        wave, calls, calm = self.count, self._calls, 0
        while self.count == wave and calm < CALM:
            await asyncio.sleep(0)
            calm = calm + 1 if self._calls == calls else 0
            calls = self._calls
        self.count = wave + 1
