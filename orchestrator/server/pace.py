"""Requests a minute, never more in any minute, and how long to wait for the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Pace:
    """The moments of the last requests of one key.

    Args:
        per_minute: the most requests in any minute; a rate that is not whole is kept over as many whole requests as a
            minute holds, one at least: 1.5 is one in 40 seconds, and 0.5 one in 120.
        clock: seconds, monotonic.

    >>> now = 0.0
    >>> pace = Pace(2, lambda: now)
    >>> pace.note(), pace.wait_s(), pace.note(), pace.wait_s()
    (None, 0.0, None, 60.0)
    """

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        most = max(1, int(per_minute))
        self._window_s = 60.0 * most / per_minute
        self._began = deque[float](maxlen=most)
        self._clock = clock

    def wait_s(self) -> float:
        """Seconds until one more request may begin; 0 where it may now."""
        if len(self._began) < (self._began.maxlen or 1):
            return 0.0
        return max(0.0, self._began[0] + self._window_s - self._clock())

    def note(self) -> None:
        """A request begins."""
        self._began.append(self._clock())
