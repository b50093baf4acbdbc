"""A Gaussian process over all compositions of a problem that grows by one value at a time."""

from __future__ import annotations

import numpy as np

from ..decisions.gaussian_process import GaussianProcess, matern52
from ..problem import Floats


class Surrogate:
    """Predictions at all compositions, kept up to date in time linear in the known values for each new one.

    The same as conditioning the process anew: one more row of the Cholesky factor (Rasmussen and Williams 2006,
    algorithm 2.1), and its share of every prediction.

    Args:
        features: of the compositions, one row each.
        process: with its hyper-parameters, conditioned on what is known so far.
        values: what the process was conditioned on, in its order.
        room: values that may be added.
    """

    def __init__(self, features: Floats, process: GaussianProcess, values: Floats, room: int) -> None:
        self._scaled = features / process.lengths
        self._signal = process.signal
        self._known = known = len(values)
        self._cross = np.zeros((known + room, len(features)))
        self._cross[:known] = process.root @ np.array([self._kernel(point) for point in process.x / process.lengths])
        self._ones, self._values = np.zeros(known + room), np.zeros(known + room)
        self._ones[:known], self._values[:known] = process.root.sum(axis=1), process.root @ values
        self._by_ones, self._by_values = self._ones @ self._cross, self._values @ self._cross
        self._explained = np.einsum("ij,ij->j", self._cross, self._cross)

    def add(self, composition: int, value: float, noise: float) -> None:
        """Learn one more value, with the variance of its noise."""
        known = self._known
        column = self._cross[:known, composition].copy()
        left = np.sqrt(max(self._signal + noise - float(column @ column), 1e-8 * self._signal))
        row = (self._kernel(self._scaled[composition]) - column @ self._cross[:known]) / left
        one = (1 - float(column @ self._ones[:known])) / left
        value = (value - float(column @ self._values[:known])) / left
        self._cross[known], self._ones[known], self._values[known] = row, one, value
        self._by_ones += one * row
        self._by_values += value * row
        self._explained += row**2
        self._known += 1

    def predict(self) -> tuple[Floats, Floats]:
        """The mean and the standard deviation at every composition."""
        mean = float(self._ones @ self._values / (self._ones @ self._ones))
        spread = np.sqrt(np.maximum(self._signal - self._explained, 0.0))
        return mean + self._by_values - mean * self._by_ones, spread

    def _kernel(self, point: Floats) -> Floats:
        """The covariance of a point, its features scaled, with every composition."""
        return matern52(np.sqrt(5 * ((self._scaled - point) ** 2).sum(axis=1)), self._signal)
