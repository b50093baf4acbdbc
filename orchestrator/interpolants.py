"""Interpolants: how data and noise are mixed at a time, and what follows from the velocity of the mixture.

Time runs from 0 (data) to 1 (noise): ``x_t = a(t) x_0 + s(t) eps``, and the velocity is ``u = dx_t/dt = a' x_0 + s'
eps`` in expectation given ``x_t`` (Albergo and Vanden-Eijnden 2023, arXiv 2209.15571, section 2). Times are numbers or
arrays that broadcast against states.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Time = Any
"""A number, or an array of float64."""
State = NDArray[Any]


class Interpolant(BaseModel):
    """A way to mix data and noise: its coefficients and their derivatives by time."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str

    def signal(self, t: Time) -> Any:
        """How much of the data is in the mixture: a(t), from 1 at 0 down to 0 or almost 0 at 1."""
        raise TypeError(f"{type(self).__name__} must implement signal")

    def noise(self, t: Time) -> Any:
        """How much noise is in the mixture: s(t), from 0 at 0 up to 1 or almost 1 at 1."""
        raise TypeError(f"{type(self).__name__} must implement noise")

    def signal_rate(self, t: Time) -> Any:
        """The derivative a'(t)."""
        raise TypeError(f"{type(self).__name__} must implement signal_rate")

    def noise_rate(self, t: Time) -> Any:
        """The derivative s'(t)."""
        raise TypeError(f"{type(self).__name__} must implement noise_rate")

    def time_at(self, ratio: Time) -> Any:
        """The time at which a(t) / s(t) is `ratio`, which is positive."""
        raise TypeError(f"{type(self).__name__} must implement time_at")

    def mixed(self, data: State, noise: State, t: Time) -> Any:
        """``x_t`` of some data and some noise."""
        return self.signal(t) * data + self.noise(t) * noise

    def data(self, x: State, velocity: State, t: Time) -> Any:
        """The data that is expected given ``x_t`` (Tweedie's formula): ``(s u - s' x) / (a' s - s' a)``."""
        a, s, da, ds = self.signal(t), self.noise(t), self.signal_rate(t), self.noise_rate(t)
        return (s * velocity - ds * x) / (da * s - ds * a)

    def noise_in(self, x: State, velocity: State, t: Time) -> Any:
        """The noise that is expected given ``x_t``: ``(a' x - a u) / (a' s - s' a)``."""
        a, s, da, ds = self.signal(t), self.noise(t), self.signal_rate(t), self.noise_rate(t)
        return (da * x - a * velocity) / (da * s - ds * a)

    def velocity(self, data: State, noise: State, t: Time) -> Any:
        """``a' x_0 + s' eps`` for the data and the noise that are expected."""
        return self.signal_rate(t) * data + self.noise_rate(t) * noise

    def score(self, x: State, velocity: State, t: Time) -> Any:
        """The gradient of the log-density at ``x_t``, ``-eps / s``; only where there is noise."""
        return -self.noise_in(x, velocity, t) / self.noise(t)


class Linear(Interpolant):
    """``x_t = (1 - t) x_0 + t eps``: rectified flow (Liu et al. 2022, arXiv 2209.03003)."""

    kind: Literal["linear"] = "linear"

    def signal(self, t: Time) -> Any:
        return 1.0 - t

    def noise(self, t: Time) -> Any:
        return t

    def signal_rate(self, t: Time) -> Any:
        return -1.0

    def noise_rate(self, t: Time) -> Any:
        return 1.0

    def time_at(self, ratio: Time) -> Any:
        return 1.0 / (1.0 + ratio)

    def data(self, x: State, velocity: State, t: Time) -> Any:
        """``x - t u``."""
        return x - t * velocity

    def noise_in(self, x: State, velocity: State, t: Time) -> Any:
        """``x + (1 - t) u``."""
        return x + (1.0 - t) * velocity


class VariancePreserving(Interpolant):
    """``a = exp(-T/2)``, ``s = sqrt(1 - exp(-T))`` with ``T(t) = t^2 (most - least) / 2 + t least``.

    The variance-preserving process of Song et al. 2021, arXiv 2011.13456, equation 33.

    Args:
        least: the rate of noise at time 0.
        most: the rate of noise at time 1.
    """

    kind: Literal["variance_preserving"] = "variance_preserving"
    least: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    most: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20.0

    def signal(self, t: Time) -> Any:
        return np.exp(-0.5 * self._total(t))

    def noise(self, t: Time) -> Any:
        return np.sqrt(-np.expm1(-self._total(t)))

    def signal_rate(self, t: Time) -> Any:
        return -0.5 * self._rate(t) * self.signal(t)

    def noise_rate(self, t: Time) -> Any:
        """Infinite at 0."""
        with np.errstate(divide="ignore"):
            return 0.5 * self._rate(t) * np.exp(-self._total(t)) / self.noise(t)

    def time_at(self, ratio: Time) -> Any:
        total = np.log1p(1.0 / np.square(ratio))
        slope = self.most - self.least
        if slope == 0.0:
            return total / self.least
        return 2.0 * total / (self.least + np.sqrt(self.least**2 + 2.0 * slope * total))

    def _total(self, t: Time) -> Any:
        return 0.5 * np.square(t) * (self.most - self.least) + t * self.least

    def _rate(self, t: Time) -> Any:
        return t * (self.most - self.least) + self.least


class Tabulated(Interpolant):
    """The variance-preserving mixture of a table, as discrete-time diffusion models are trained on.

    Between the table's times the logarithm of a is linear. The k-th of n times is ``(k + 1) / n``, and time 0 is data.

    Args:
        log_signal: the logarithm of a at each time, falling, below 0.
    """

    kind: Literal["tabulated"] = "tabulated"
    log_signal: Annotated[tuple[float, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if not np.all(np.diff(self._knots) < 0) or not np.isfinite(self._knots[-1]):
            raise ValueError("log_signal must fall from below 0 and stay finite; give the logarithm of a, not a")
        return self

    def signal(self, t: Time) -> Any:
        return np.exp(self._log_signal(t))

    def noise(self, t: Time) -> Any:
        return np.sqrt(-np.expm1(2.0 * self._log_signal(t)))

    def signal_rate(self, t: Time) -> Any:
        return self.signal(t) * self._slope(t)

    def noise_rate(self, t: Time) -> Any:
        """Infinite at 0."""
        with np.errstate(divide="ignore"):
            return -self.signal(t) * self.signal_rate(t) / self.noise(t)

    def time_at(self, ratio: Time) -> Any:
        log_signal = -0.5 * np.log1p(1.0 / np.square(ratio))
        return np.interp(-log_signal, -self._knots, self._times)

    @cached_property
    def _knots(self) -> NDArray[np.float64]:
        return np.array((0.0, *self.log_signal))

    @cached_property
    def _times(self) -> NDArray[np.float64]:
        return np.linspace(0.0, 1.0, len(self.log_signal) + 1)

    def _log_signal(self, t: Time) -> Any:
        return np.interp(t, self._times, self._knots)

    def _slope(self, t: Time) -> Any:
        steps = np.diff(self._knots) * len(self.log_signal)
        place = np.ceil(np.asarray(t) * len(self.log_signal) - 1e-9).astype(np.intp) - 1
        return steps[np.clip(place, 0, len(steps) - 1)]


AnyInterpolant = Annotated[Linear | VariancePreserving | Tabulated, Field(discriminator="kind")]
LINEAR = Linear()
VP = VariancePreserving()


class Conversion:
    """States of one interpolant seen in another: where the two mix alike, one is a multiple of the other.

    ``xbar_r = c x_t`` with ``A(r) / S(r) = a(t) / s(t)`` and ``c = S / s`` (Kim et al. 2025, arXiv 2503.19385, section
    4.2). The velocity is that of the data and the noise that are expected, which are the same in both.

    Args:
        original: what the denoiser works in.
        new: what states are in.
    """

    def __init__(self, original: Interpolant, new: Interpolant) -> None:
        self.original, self.new = original, new
        self.is_identity = original == new

    def time(self, r: float) -> float:
        """The time of the original at which it mixes as the new one does at `r`."""
        if self.is_identity or r <= 0.0:
            return r
        ratio = self.new.signal(r) / self.new.noise(r)
        return min(1.0, float(self.original.time_at(ratio))) if ratio > 0.0 else 1.0

    def scale(self, r: float) -> float:
        """c: a state of the new one over that of the original."""
        if self.is_identity:
            return 1.0
        t = self.time(r)
        if r <= 0.0:
            return 1.0
        return float(self.new.noise(r) / self.original.noise(t))

    def velocity(self, x: State, velocity: State, r: float) -> Any:
        """The velocity in the new interpolant at ``xbar = scale * x``, from that of the original at `x`."""
        if self.is_identity:
            return velocity
        t = self.time(r)
        data, noise = self.original.data(x, velocity, t), self.original.noise_in(x, velocity, t)
        return self.new.velocity(data, noise, r)
