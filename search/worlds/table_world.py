"""Worlds whose accuracies are written down beforehand: to see what a search does where nothing leads to the best."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...orchestrator.errors import UsageError
from ..problem import Floats, Indices
from .archon_points import WIDTHS, ArchonPoint, archon_points
from .archon_world import ITEMS, Bools

TIED_ACCURACY = 0.8
ISOLATED_ACCURACY, ISOLATED_MOST_CALLS = 0.88, 20
LOW, HIGH, SCATTER = 0.66, 0.74, 0.01


class TableWorld:
    """Items of different difficulty, and compositions of known accuracy that share nothing but the items.

    Args:
        accuracies: the mean over the items, of each of `archon_points`, between 0.01 and 0.99.
        seed: decides the items.

    Raises:
        UsageError: not one accuracy a point, or one out of range.
    """

    def __init__(self, accuracies: Floats, seed: int) -> None:
        if len(accuracies) != len(archon_points()) or not 0.01 <= accuracies.min() <= accuracies.max() <= 0.99:
            raise UsageError(
                f"accuracies must be {len(archon_points())} numbers from 0.01 to 0.99, one a composition, "
                f"got {len(accuracies)}: {accuracies}; mend them"
            )
        self.seed, self.size = seed, ITEMS
        self.difficulty = np.random.default_rng((seed, 0)).normal(0, 1.4, ITEMS)
        grid = np.linspace(-9, 9, 2001)
        reached = (1 / (1 + np.exp(self.difficulty[:, None] - grid))).mean(axis=0)
        self.accuracies = accuracies
        self.skill = np.interp(accuracies, reached, grid)

    def run(self, items: Indices, *seeds: int) -> TableRun:
        """Chance as the seeds have it, on some of the items."""
        return TableRun(self, items, seeds)


class TableRun:
    """One course of chance in such a world.

    Args:
        world: whose items.
        items: numbers of items.
        seeds: one or more; decide all draws together with the world's seed.
    """

    def __init__(self, world: TableWorld, items: Indices, seeds: tuple[int, ...]) -> None:
        self._world, self._difficulty, self._seeds = world, world.difficulty[items], (world.seed, *seeds)

    def is_right(self, point: ArchonPoint, replicate: int) -> Bools:
        """Whether the answer to each item is right."""
        number = _numbers()[point]
        chance = 1 / (1 + np.exp(self._difficulty - self._world.skill[number]))
        right: Bools = np.random.default_rng((*self._seeds, replicate, number)).random(len(chance)) < chance
        return right


def tied_world(seed: int) -> TableWorld:
    """Every composition is right equally often: the cheapest is the one to find, and soon."""
    return TableWorld(np.full(len(archon_points()), TIED_ACCURACY), seed)


def adversarial_world(seed: int) -> TableWorld:
    """More is as often worse as better, and the best composition stands alone among bad ones.

    A step on any knob swaps between about 0.74 and 0.66. One composition, of at most 20 calls, has 0.88; all a step
    away from it have 0.66.
    """
    rng = np.random.default_rng((seed, 1))
    points = archon_points()
    steps = np.array([_steps(point) for point in points])
    accuracies = np.where(steps.sum(axis=1) % 2, LOW, HIGH) + rng.normal(0, SCATTER, len(points))
    affordable = [number for number, point in enumerate(points) if point.calls <= ISOLATED_MOST_CALLS]
    best = rng.choice(affordable)
    accuracies[np.abs(steps - steps[best]).sum(axis=1) == 1] = LOW
    accuracies[best] = ISOLATED_ACCURACY
    return TableWorld(accuracies, seed)


def _steps(point: ArchonPoint) -> tuple[int, ...]:
    """Where each knob stands on its scale."""
    width = WIDTHS.index(point.width) if point.width else 0
    return point.generators, point.samples, point.layers, width, point.critic, point.check


@lru_cache(maxsize=1)
def _numbers() -> dict[ArchonPoint, int]:
    return {point: number for number, point in enumerate(archon_points())}
