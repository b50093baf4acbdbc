"""The schedule of pruning: at which lengths streams are judged, and how many go on from there."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PruningSchedule:
    """Lengths at which the worse streams are pruned.

    Args:
        checkpoints: tokens generated, rising.
        keep: the share of unfinished streams that goes on.
        max_tokens: most tokens of a stream.
    """

    checkpoints: tuple[int, ...]
    keep: float
    max_tokens: int

    def quota(self, streams: int) -> int:
        """How many of so many unfinished streams go on: their share rounded up, one at least.

        >>> [PruningSchedule((), 0.5, 1).quota(streams) for streams in (0, 1, 3, 4)]
        [0, 1, 2, 2]
        """
        return min(streams, max(1, math.ceil(round(self.keep * streams, 9))))  # 0.1 * 30 is a little more than 3

    def mark(self, at: int, streams: int) -> int:
        """The length to which so many streams go on from `at`: the next checkpoint where some will be pruned."""
        if self.quota(streams) == streams:
            return self.max_tokens
        return min((each for each in self.checkpoints if at < each < self.max_tokens), default=self.max_tokens)
