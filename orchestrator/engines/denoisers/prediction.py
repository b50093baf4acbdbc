"""What networks of diffusion models predict, and the velocity that follows from it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...interpolants import Interpolant, Tabulated
from .denoiser import Times

Prediction = Literal["velocity", "epsilon", "sample", "v_prediction"]
"""``velocity``: dx/dt. ``epsilon``: the noise. ``sample``: the data. ``v_prediction``: a eps - s x0 (Salimans and Ho
2022, arXiv 2202.00512, section 4), of interpolants with ``a^2 + s^2 = 1``."""
State = NDArray[Any]


def velocity_of(told: State, predicts: Prediction, path: Interpolant, x: State, t: Any) -> State:
    """The velocity at states, from what a network tells of them.

    Args:
        told: by the network, of the shape of `x`.
        predicts: what that is.
        path: the interpolant of `x`.
        x: states.
        t: their time, or times that broadcast against them.

    >>> from ponder.orchestrator.interpolants import LINEAR
    >>> velocity_of(np.array([2.0]), "sample", LINEAR, np.array([1.0]), 0.5)
    array([-2.])
    """
    if predicts == "velocity":
        return told
    a, s = path.signal(t), path.noise(t)
    if predicts == "epsilon":
        data, noise = (x - s * told) / a, told
    elif predicts == "sample":
        data, noise = told, (x - a * told) / s
    else:
        data, noise = a * x - s * told, s * x + a * told
    found: State = path.velocity(data, noise, t)
    return found


def timesteps_of(path: Interpolant, t: Times, scale: float) -> NDArray[Any]:
    """What a network is told of times: the index of the nearest entry of a table, or `scale` times each.

    >>> timesteps_of(Tabulated(log_signal=(-1.0, -2.0, -3.0, -4.0)), np.array([0.25, 1.0]), 1000.0)
    array([0, 3])
    """
    if isinstance(path, Tabulated):
        n = len(path.log_signal)
        index: NDArray[Any] = np.clip(np.rint(t * n) - 1, 0, n - 1).astype(np.int64)
        return index
    return (scale * t).astype(np.float32)
