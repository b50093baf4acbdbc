"""One step of the stochastic differential equation that has the marginals of a flow."""

from __future__ import annotations

import numpy as np

from ..orchestrator.images import Array
from ..orchestrator.interpolants import Interpolant


def diffusion_at(t: float, scale: float) -> float:
    """How much noise a step adds at a time, ``g = scale t^2``: most at the beginning, none at the end.

    After the authors' code of Kim et al. 2025, arXiv 2503.19385, with `scale` 3.

    >>> diffusion_at(1.0, 3.0), diffusion_at(0.5, 3.0)
    (3.0, 0.75)
    """
    return scale * t * t


def sde_steps(path: Interpolant, x: Array, velocity: Array, times: tuple[float, float], *, g: float, z: Array) -> Array:
    """Proposals for what comes next: ``x + (-u + g^2/2 score) d + g sqrt(d) z`` with d the step in time.

    It keeps the marginals of the flow for any g as d goes to 0 (Kim et al. 2025, arXiv 2503.19385, section 4.1; Song et
    al. 2021). With g = 0 it is Euler's step of the ordinary differential equation; the step to time 0 is to the data
    expected.

    Args:
        path: the interpolant that the states are in.
        x: states, ``[states, *shape]``, or one.
        velocity: there.
        times: from which, and to which, a smaller one.
        g: how much noise, at least 0.
        z: standard normal noise, for each.
    """
    t, to = times
    step = t - to
    if to == 0.0:
        end: Array = path.data(x, velocity, t)
        return end
    if g == 0.0:
        return x - step * velocity
    drift = -velocity + 0.5 * g * g * path.score(x, velocity, t)
    found: Array = x + drift * step + g * np.sqrt(step) * z
    return found
