"""How far each composition has come on its way through items and replicates, and what its next step would tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..problem import Ask, Floats, Indices
from .evidence import Evidence
from .item_effects import Means, spread

FEWEST_ITEMS = 15
"""Items on which a composition must be known before it is compared with others."""


@dataclass(frozen=True, slots=True)
class Rungs:
    """The steps of a race: some items, more, all, then all again in other replicates.

    All compositions climb through the same items in the same order, so that what is compared was measured on the
    same items, but not all in the same replicate: the draws of a replicate are shared by all that is measured in it,
    and their luck would never average out.

    Args:
        steps: how many items a composition is known on after each step, rising, the last all of them.
        pools: replicates among which first measurements are spread.
        replicates: replicates of a composition, at most.
    """

    steps: tuple[int, ...]
    pools: int
    replicates: int

    @property
    def items(self) -> int:
        """Items there are."""
        return self.steps[-1]

    @property
    def fewest(self) -> int:
        """Items on which a composition must be known before it is compared with others."""
        return min(FEWEST_ITEMS, self.items)

    def next_ask(self, evidence: Evidence, composition: int, pool: int) -> Ask | None:
        """The next step of a composition; None where it has made them all.

        Args:
            evidence: all that was measured.
            composition: its number.
            pool: the replicate in which a composition starts that was never measured.
        """
        replicates = evidence.replicates(composition) or [pool]
        unknown = np.flatnonzero(np.isnan(evidence.values(composition)))
        if len(unknown):
            known = self.items - len(unknown)
            target = next(step for step in self.steps if step > known)
            return Ask(composition, tuple(unknown[: target - known].tolist()), replicates[0])
        others = [(replicates[0] + more) % self.pools for more in range(1, self.pools)]
        free = [each for each in (*others, *range(self.pools, self.replicates)) if each not in replicates]
        if len(replicates) >= self.replicates or not free:
            return None
        return Ask(composition, tuple(range(self.items)), free[0])

    def items_of_next(self, known: Indices) -> Indices:
        """How many items the next step of each composition has, told by how many it is known on."""
        reached = np.searchsorted(self.steps, known, side="right")
        target = np.array((*self.steps, 2 * self.items), dtype=np.intp)[reached]
        return np.asarray(np.minimum(target - known, self.items), dtype=np.intp)

    def noise_of_next(self, means: Means, known: Indices, replicates: Indices, accuracy: Floats) -> Floats:
        """The variance of the noise of what the next step of each composition adds; infinite where there is none.

        Args:
            means: what was measured, which tells how much answers vary.
            known: items each composition is known on; 0 where it was never measured.
            replicates: of each composition.
            accuracy: of each composition, as believed.
        """
        variance = means.scatter * spread(accuracy) / self.items_of_next(known)
        return np.where((known < self.items) | (replicates < self.replicates), variance, np.inf)


def rungs_of(steps: Sequence[int], items: int) -> tuple[int, ...]:
    """The steps that a number of items leaves room for, all items last.

    >>> rungs_of((30, 60), 100), rungs_of((30, 60), 30), rungs_of((30, 60), 1)
    ((30, 60, 100), (30,), (1,))
    """
    return (*(step for step in steps if step < items), items)
