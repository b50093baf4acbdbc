"""Setting: attempts at many tasks, whose truth is known, and what an erring verifier says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from ponder.verifiers.reliability import Judged, Reliability

STEPS = 8
"""Tasks in a run of which each is harder than the last: both halves hold whole runs."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One verifier on the attempts of one data set.

    Args:
        data: which attempts.
        verifier: what judges them.
        pools: the judged attempts, a list a task.
        threshold: the least score that accepts.
    """

    data: str
    verifier: str
    pools: Sequence[Sequence[Judged]]
    threshold: float = 0.5

    def pilot(self, attempts: int) -> Reliability:
        """Every other eight tasks, with their first attempts."""
        return self._of([pool[:attempts] for i, pool in enumerate(self.pools) if i // STEPS % 2 == 0])

    def held_out(self) -> Reliability:
        """The other tasks, with all their attempts."""
        return self._of([pool for i, pool in enumerate(self.pools) if i // STEPS % 2])

    def _of(self, pools: Sequence[Sequence[Judged]]) -> Reliability:
        return Reliability.of(chain.from_iterable(pools), self.threshold)
