"""Judged pool: what a verifier said of the draws of one task, and what drawing until it accepts would give there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from ...orchestrator.errors import UsageError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class JudgedPool:
    """The draws of one task by what they are and what the verifier said; "cannot tell" is apart, and not accepted.

    `right`, `wrong` and `draws` estimate a fresh run that draws until the verifier accepts, exactly: they are its mean
    over all orders of the pool, which is unbiased whatever the task's chances are. The protocol of Stroebl, Kapoor and
    Narayanan 2024 (arXiv 2411.17501), "1,000 random permutations of a pool, the first accepted within K", approaches
    the same numbers. With A accepted of m draws, none of K is accepted with chance C(m - A, K) / C(m, K), and the
    first accepted is any of the A.

    >>> pool = JudgedPool(accepted_right=2, accepted_wrong=1, rejected_right=0, rejected_wrong=1)
    >>> pool.right(1), pool.wrong(1), pool.right(2), pool.draws(2)
    (0.5, 0.25, 0.6666666666666666, 1.25)
    """

    accepted_right: int
    accepted_wrong: int
    rejected_right: int
    rejected_wrong: int
    untold_right: int = 0
    untold_wrong: int = 0

    def __post_init__(self) -> None:
        if min(counts := astuple(self)) < 0 or not sum(counts):
            raise UsageError(f"a judged pool must count a draw, and none below 0, got {counts}; leave out an empty one")

    @property
    def size(self) -> int:
        return self.accepted + self.rejected_right + self.rejected_wrong + self.untold_right + self.untold_wrong

    @property
    def accepted(self) -> int:
        return self.accepted_right + self.accepted_wrong

    @property
    def correct(self) -> int:
        """How many draws are right."""
        return self.accepted_right + self.rejected_right + self.untold_right

    def right(self, tries: int) -> float:
        """The chance that the first accepted within `tries` draws is right."""
        return float(self.first_accepted((tries,))[0, 0])

    def wrong(self, tries: int) -> float:
        """The chance that the first accepted within `tries` draws is wrong."""
        return float(self.first_accepted((tries,))[0, 1])

    def draws(self, tries: int) -> float:
        """The mean number of draws, of at most `tries`, drawn one after the other."""
        return float(self.first_accepted((tries,))[0, 2])

    def first_accepted(self, tries: Sequence[int]) -> Floats:
        """`right`, `wrong` and `draws` (columns) for several numbers of attempts (rows).

        Raises:
            UsageError: the pool does not hold so many.
        """
        most = max(tries)
        if not 1 <= min(tries) <= most <= self.size:
            raise UsageError(
                f"tries must be between 1 and the pool's {self.size} draws, got {list(tries)}; draw more or use a law"
            )
        drawn = np.arange(most)
        rejected = np.maximum(self.size - self.accepted - drawn, 0) / (self.size - drawn)
        none_accepted = np.concatenate(([1.0], np.cumprod(rejected)))
        answered, draws = 1 - none_accepted[list(tries)], np.cumsum(none_accepted)[np.array(tries) - 1]
        of = max(self.accepted, 1)
        return np.stack((answered * self.accepted_right / of, answered * self.accepted_wrong / of, draws), axis=1)
