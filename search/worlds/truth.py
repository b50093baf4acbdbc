"""The true accuracies of a simulated world, by measuring every composition on every item many times."""

from __future__ import annotations

import numpy as np

from ..problem import Floats
from .archon_points import archon_points
from .archon_world import World

SEED = 2_000_000_000  # of no search


def true_accuracies(world: World, replicates: int = 16, seed: int = SEED) -> tuple[Floats, Floats]:
    """The accuracy of each of `archon_points` on the items of a world, and its standard error from finite replicates.

    Args:
        world: the items and how compositions fare on them.
        replicates: times each item is answered, at least 2.
        seed: of the draws; searches are numbered from 0, so that the default is none of theirs.
    """
    points, items = archon_points(), np.arange(world.size)
    right = np.zeros((len(points), world.size), dtype=np.int16)
    for replicate in range(replicates):
        run = world.run(items, seed, replicate)
        for number, point in enumerate(points):
            right[number] += run.is_right(point, 0)
    share = right / replicates
    variance = share * (1 - share) / (replicates - 1)
    return share.mean(axis=1), np.sqrt(variance.sum(axis=1)) / world.size
