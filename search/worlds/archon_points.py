"""The compositions of Archon's search space: 3,648 stacks of generators, fusers, critics, rankers and checks."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..problem import Floats, Indices

MODELS = 10
SAMPLES = 5
MOST_CANDIDATES = 24
LAYERS = 3
WIDTHS = (2, 4, 6, 8, 10)
NOTHING, VERIFIER, UNIT_TESTS = 0, 1, 2


class ArchonPoint(NamedTuple):
    """A composition: who writes, how often they fuse, what helps the fusers.

    Args:
        generators: the best so many models write, 1 to 10.
        samples: draws of each, 1 to 5; at most 24 draws in all.
        layers: hidden layers of fusers, 0 to 3.
        width: fusers in a hidden layer, 2 to 10 by twos; 0 without a hidden layer.
        critic: 1 where a critic and a ranker stand before every layer of fusers.
        check: what filters candidates before the last fuser: 0 nothing, 1 a verifier, 2 unit tests.
    """

    generators: int
    samples: int
    layers: int
    width: int
    critic: int
    check: int

    @property
    def candidates(self) -> int:
        """Candidates that reach the last block."""
        return self.width if self.layers else self.generators * self.samples

    @property
    def calls(self) -> int:
        """Model calls a query: 1 a draw, fuser, critic and ranker, 2 a verified candidate, 1 + 1 a tested one.

        Source: Archon (Saad-Falcon et al. 2024, arXiv 2409.15254), Table 3.

        >>> ArchonPoint(2, 1, 1, 4, 1, VERIFIER).calls
        19
        """
        check = (0, 2 * self.candidates, 1 + self.candidates)[self.check]
        hidden = self.layers * (2 * self.critic + self.width)
        return self.generators * self.samples + hidden + check + 2 * self.critic + 1


@lru_cache(maxsize=1)
def archon_points() -> tuple[ArchonPoint, ...]:
    """All 3,648 points, in a fixed order."""
    return tuple(
        ArchonPoint(generators, samples, layers, width, critic, check)
        for generators in range(1, MODELS + 1)
        for samples in range(1, SAMPLES + 1)
        if generators * samples <= MOST_CANDIDATES
        for layers in range(LAYERS + 1)
        for width in (WIDTHS if layers else (0,))
        for critic in (0, 1)
        for check in (NOTHING, VERIFIER, UNIT_TESTS)
    )


def features(points: tuple[ArchonPoint, ...]) -> Floats:
    """One row a point, each column from 0 to 1: counts on a logarithmic scale, choices one-hot.

    Columns: generators, samples, layers, width (0 where there is no hidden layer), whether there is one, critic, and
    one for each kind of check.
    """
    generators, samples, layers, width, critic, check = np.array(points, dtype=np.float64).T
    has_layers = layers > 0
    columns = [
        np.log(generators) / np.log(MODELS),
        np.log(samples) / np.log(SAMPLES),
        np.log1p(layers) / np.log1p(LAYERS),
        np.where(has_layers, np.log(np.maximum(width, 2) / 2) / np.log(WIDTHS[-1] / 2), 0.0),
        has_layers,
        critic,
        *(check == kind for kind in (NOTHING, VERIFIER, UNIT_TESTS)),
    ]
    return np.column_stack(columns).astype(np.float64)


def families(points: tuple[ArchonPoint, ...]) -> Indices:
    """One number a point: the same where critic and check are."""
    return np.array([3 * point.critic + point.check for point in points], dtype=np.intp)
