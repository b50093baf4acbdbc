"""What a search believes of every composition, measured or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem import Floats, Indices, Problem
from .evidence import Evidence
from .gaussian_process import GaussianProcess, Posterior
from .item_effects import Means, composition_means

GROWTH = 1.25
"""The hyper-parameters are fitted anew when so many times as many compositions are known."""


@dataclass(frozen=True, slots=True)
class Beliefs:
    """Where a search stands between two batches; one entry a composition of the problem.

    Args:
        posterior: accuracies, which measurements that are planned narrow.
        means: what was measured.
        costs: of a query.
        items: on how many each is known, 0 where it was never measured.
        replicates: in how many each was measured.
    """

    posterior: Posterior
    means: Means
    costs: Floats
    items: Indices
    replicates: Indices

    def comparable(self, level: float, fewest: int) -> Indices:
        """The compositions within a level that are known on enough items to be compared."""
        return np.flatnonzero((self.costs <= level) & (self.items >= fewest))

    def best(self, level: float, fewest: int) -> int | None:
        """The comparable composition that is believed best; None where nothing can be compared."""
        able = self.comparable(level, fewest)
        return int(able[np.argmax(self.posterior.mean[able])]) if len(able) else None

    def deviations_from(self, composition: int) -> Floats:
        """The standard deviation of the difference in accuracy between one composition and every one."""
        variance = self.posterior.variance
        apart = variance + variance[composition] - 2 * self.posterior.covariance(composition)
        return np.asarray(np.sqrt(np.maximum(apart, 0.0)), dtype=np.float64)


class Surrogate:
    """Turns evidence into beliefs; the costly part, fitting, is done seldom.

    Args:
        seed: of the fits.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._process: GaussianProcess | None = None
        self._fitted_on = 0

    def beliefs(self, problem: Problem, evidence: Evidence) -> Beliefs:
        """What the evidence lets believe of every composition."""
        means, features = composition_means(evidence), np.asarray(problem.features, dtype=np.float64)
        known = features[means.compositions], means.means, means.noise
        if self._process is None or len(means.means) >= GROWTH * self._fitted_on:
            self._process, self._fitted_on = GaussianProcess.fit(*known, seed=self._seed), len(means.means)
        else:
            self._process = self._process.conditioned(*known)
        items, replicates = np.zeros(len(features), dtype=np.intp), np.zeros(len(features), dtype=np.intp)
        items[means.compositions], replicates[means.compositions] = means.items, means.replicates
        return Beliefs(self._process.posterior(features), means, costs_of(problem), items, replicates)


def costs_of(problem: Problem) -> Floats:
    """What a query costs, one entry a composition."""
    return np.array([problem.cost(composition) for composition in range(problem.size)], dtype=np.float64)
