"""The worlds of the study and their true accuracies, computed once and kept on disk."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from ponder.search.problem import Floats
from ponder.search.worlds.archon_world import ArchonWorld
from ponder.search.worlds.table_world import TableWorld, adversarial_world, tied_world
from ponder.search.worlds.truth import true_accuracies

from .plan import ADVERSARIAL, ARCHON, Plan


@lru_cache(maxsize=4)
def world(kind: str, seed: int, study: Plan) -> ArchonWorld | TableWorld:
    """The world of a cell."""
    if kind == ARCHON:
        return ArchonWorld(seed, study.population)
    return adversarial_world(seed) if kind == ADVERSARIAL else tied_world(seed)


@lru_cache(maxsize=16)
def truth(kind: str, seed: int, study: Plan, folder: Path) -> tuple[Floats, Floats]:
    """The accuracy of every composition in a world, and its standard error; exact where it is written down."""
    place = world(kind, seed, study)
    if isinstance(place, TableWorld):
        return place.accuracies, np.zeros(len(place.accuracies))
    file = folder / f"truth_{seed}_{study.population}_{study.replicates}.npz"
    if not file.exists():
        mean, error = true_accuracies(place, study.replicates)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(file, mean=mean, error=error)
    with np.load(file) as kept:
        return kept["mean"], kept["error"]
