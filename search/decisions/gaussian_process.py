"""A Gaussian process over compositions, for means that were measured with known noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from ...orchestrator.errors import UsageError
from ..problem import Floats

ITERATIONS = 50
FIT_POINTS = 250
JITTER = 1e-8
PRIOR_SD = 1.5  # of the logarithms of length scales about 1 and of the variance about that of the values
ROOT5 = np.sqrt(5.0)


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """What is believed of all points, given the values at some: a constant mean and a Matern 5/2 kernel.

    Rasmussen and Williams (2006), chapters 2, 4.2 and 5.4.1, with a length scale a feature. The noise variances are
    given, one a point, not fitted: an evaluation on few items is told apart from one on many. The constant mean is
    the generalised least-squares one. Where n points are known, fitting takes order min(n, 250)^3 steps, a prediction
    order n^2 a point.

    Args:
        lengths: a length scale a feature, in the unit of the feature.
        signal: the variance of the process.
        x: the known points, one a row.
        mean: the constant mean.
        weights: K^-1 (y - mean), with K the covariance of the noisy values.
        root: L^-1, with L the Cholesky factor of K.
    """

    lengths: Floats
    signal: float
    x: Floats
    mean: float
    weights: Floats
    root: Floats

    @classmethod
    def fit(cls, x: Floats, y: Floats, noise: Floats, *, seed: int = 0, starts: int = 2) -> Self:
        """The process whose length scales and variance make the values most likely.

        Maximises the marginal likelihood times wide log-normal priors (a feature that never varied keeps a usual
        length, and a few noisy values do not do away with all variance) by Rprop on the analytic gradient (Blum and
        Riedmiller 2013, "Optimization of Gaussian process hyperparameters using Rprop"). Of more than 250 points, a
        sample of 250 decides the hyper-parameters, all are conditioned on.

        Args:
            x: points, one a row, features about 0 to 1.
            y: one value a point.
            noise: the variance of the noise of each value, at least 0.
            seed: chooses the further starts and the sample.
            starts: climbs from so many places; the best is kept.

        Raises:
            UsageError: no points, shapes that do not match, a value that is no finite number, or negative noise.
        """
        x, y, noise = _checked(x, y, noise)
        rng = np.random.default_rng(seed)
        few = np.sort(rng.permutation(len(y))[:FIT_POINTS])
        scale = float(max(y.var(), noise.mean(), 1e-12))
        best = (np.inf, np.zeros(x.shape[1] + 1))
        for start in range(starts):
            lengths = np.zeros(x.shape[1]) if start == 0 else rng.normal(0.0, PRIOR_SD / 2, x.shape[1])
            found = _descend(np.append(lengths, 0.0), x[few], y[few] / np.sqrt(scale), noise[few] / scale)
            best = min(best, found, key=lambda each: each[0])
        return cls._given(np.exp(best[1][:-1]), float(np.exp(best[1][-1])) * scale, (x, y, noise))

    def conditioned(self, x: Floats, y: Floats, noise: Floats) -> Self:
        """The process with the same length scales and variance, given these values in place of its own."""
        return self._given(self.lengths, self.signal, _checked(x, y, noise))

    @classmethod
    def _given(cls, lengths: Floats, signal: float, data: tuple[Floats, Floats, Floats]) -> Self:
        x, y, noise = data
        covariance = _kernel(x, x, lengths, signal) + np.diag(noise)
        root = _root(covariance, signal)
        mean, weights = _weights(root, y)
        return cls(lengths, signal, x, mean, weights, root)

    def posterior(self, x: Floats) -> Posterior:
        """What is believed of some points together, to plan further measurements among them."""
        cross = _kernel(self.x, x, self.lengths, self.signal)
        return Posterior(self, x, self.mean + self.weights @ cross, self.root @ cross)

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """The mean and the standard deviation of the noise-free value at each of some points."""
        found = self.posterior(x)
        return found.mean, np.sqrt(found.variance)


class Posterior:
    """What a process believes of a fixed set of points, narrowed by each measurement that is planned.

    The variance after a measurement does not depend on its outcome, so that a batch can be chosen one by one, each
    as if those before it had come back as expected (Ginsbourger, Le Riche and Carraro 2010, the kriging believer).
    A plan costs order n a point, not the n^2 of a new prediction.

    Args:
        process: the process.
        x: the points, one a row.
        mean: the mean at each.
        reduced: L^-1 times the covariance of the known points with these.
    """

    def __init__(self, process: GaussianProcess, x: Floats, mean: Floats, reduced: Floats) -> None:
        self._process, self._x, self._reduced = process, x, [reduced]
        self.mean = mean
        self.variance = np.maximum(process.signal - np.einsum("ij,ij->j", reduced, reduced), 0.0)

    def covariance(self, point: int) -> Floats:
        """The covariance of the value at one point, by its row, with that at every point."""
        process = self._process
        prior = _kernel(self._x[point : point + 1], self._x, process.lengths, process.signal)[0]
        told = [each[:, point] @ each for each in self._reduced]
        return np.asarray(prior - np.sum(told, axis=0), dtype=np.float64)

    def plan(self, point: int, noise: float) -> None:
        """Narrow all beliefs by a measurement to come.

        Args:
            point: the row of the point that will be measured.
            noise: the variance of the noise of the measurement, above 0.
        """
        covariance = self.covariance(point)
        gain = covariance / np.sqrt(max(float(covariance[point]), 0.0) + noise)
        self._reduced.append(gain[None])
        self.variance = np.maximum(self.variance - gain**2, 0.0)


def negative_log_likelihood(parameters: Floats, x: Floats, y: Floats, noise: Floats) -> tuple[float, Floats]:
    """Minus the log marginal likelihood, the priors counted in and constants left out, and its gradient.

    Args:
        parameters: the logarithms of the length scales, then that of the variance.
        x: points, one a row.
        y: one value a point.
        noise: the variance of the noise of each value.
    """
    lengths, signal = np.exp(parameters[:-1]), float(np.exp(parameters[-1]))
    scaled = x / lengths
    distance = ROOT5 * _distances(scaled, scaled)
    decay = signal * np.exp(-distance)
    prior = (1 + distance + distance**2 / 3) * decay
    root = _root(prior + np.diag(noise), signal)
    mean, weights = _weights(root, y)
    off = parameters / PRIOR_SD
    value = 0.5 * float((y - mean) @ weights) - float(np.log(np.diag(root)).sum()) + 0.5 * float(off @ off)
    slope = root.T @ root - np.outer(weights, weights)
    along = slope * decay * (1 + distance) * (5 / 3)
    by_length = along.sum(axis=1) @ scaled**2 - np.einsum("ij,ij->j", scaled, along @ scaled)
    return value, np.append(by_length, 0.5 * float((slope * prior).sum())) + off / PRIOR_SD


def _descend(parameters: Floats, x: Floats, y: Floats, noise: Floats) -> tuple[float, Floats]:
    """The lowest value seen and where, by Rprop: steps grow while a slope keeps its sign and halve where it turns."""
    best = (np.inf, parameters)
    step, before = np.full(len(parameters), 0.3), np.zeros(len(parameters))
    for _ in range(ITERATIONS):
        value, slope = negative_log_likelihood(parameters, x, y, noise)
        best = min(best, (value, parameters), key=lambda each: each[0])
        turned = slope * before
        step = np.clip(step * np.where(turned > 0, 1.2, np.where(turned < 0, 0.5, 1.0)), 1e-3, 1.0)
        before = np.where(turned < 0, 0.0, slope)
        parameters = np.clip(parameters - np.sign(before) * step, -7.0, 7.0)
        if step.max() < 5e-3:
            break
    return best


def _weights(root: Floats, y: Floats) -> tuple[float, Floats]:
    ones = root @ np.ones(len(y))
    mean = float(ones @ (root @ y) / (ones @ ones))
    return mean, root.T @ (root @ (y - mean))


def _root(covariance: Floats, signal: float) -> Floats:
    """The inverse of the Cholesky factor, of a matrix made a little larger on its diagonal where it has none."""
    jitter = JITTER * signal
    while True:
        try:
            return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance + jitter * np.eye(len(covariance)))), float)
        except np.linalg.LinAlgError:
            jitter *= 10


def matern52(distance: Floats, signal: float) -> Floats:
    """The Matern 5/2 covariance at distances times the root of 5, in length scales (Rasmussen and Williams 2006, 4.17).

    >>> float(matern52(np.array([0.0]), 2.0)[0])
    2.0
    """
    return np.asarray(signal * (1 + distance + distance**2 / 3) * np.exp(-distance), dtype=np.float64)


def _kernel(a: Floats, b: Floats, lengths: Floats, signal: float) -> Floats:
    distance = ROOT5 * _distances(a / lengths, b / lengths)
    return matern52(distance, signal)


def _distances(a: Floats, b: Floats) -> Floats:
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    found: Floats = np.sqrt(np.maximum(squared, 0.0))
    return found


def _checked(x: Floats, y: Floats, noise: Floats) -> tuple[Floats, Floats, Floats]:
    x, y, noise = (np.asarray(each, dtype=float) for each in (x, y, noise))
    if x.ndim != 2 or len(x) == 0 or y.shape != (len(x),) or noise.shape != (len(x),):
        raise UsageError(
            "a Gaussian process needs at least one point, and a value and a noise variance for each, "
            f"got shapes {x.shape}, {y.shape} and {noise.shape}; give one of each a point"
        )
    if not all(np.isfinite(each).all() for each in (x, y, noise)) or noise.min() < 0:
        raise UsageError("points, values and noise must be finite and noise at least 0; leave unmeasured points out")
    return x, y, noise
