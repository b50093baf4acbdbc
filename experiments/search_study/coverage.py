"""How often the interval of a paired comparison holds the true difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ponder.orchestrator.intervals import Interval, compare, wilson
from ponder.search.worlds.archon_points import archon_points

from .plan import ARCHON, Plan
from .truths import truth, world

ITEMS = 100
SEED = 20_260_101


def covered(study: Plan, folder: Path) -> Interval:
    """The share of simulated pairs whose 95 % interval holds the truth, with its own interval.

    A pair is two compositions by chance, measured once on the same 100 items. The items are drawn with replacement, so
    that they are a sample of a population without end, as an interval takes them to be.
    """
    rng, points = np.random.default_rng(SEED), archon_points()
    hits = 0
    for pair in range(study.pairs):
        seed = study.worlds[pair % len(study.worlds)]
        place, (accuracies, _) = world(ARCHON, seed, study), truth(ARCHON, seed, study, folder)
        chance = place.run(rng.integers(0, place.size, ITEMS), SEED, pair)
        a, b = (int(each) for each in rng.choice(len(points), 2, replace=False))
        left, right = (chance.is_right(points[each], 0).astype(np.float64) for each in (a, b))
        interval = compare(left, right).interval
        hits += int(interval.low <= accuracies[a] - accuracies[b] <= interval.high)
    return wilson(hits, study.pairs)
