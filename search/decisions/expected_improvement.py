"""How much better than the best a point is expected to be."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
from numpy.typing import ArrayLike

from ..problem import Floats


def expected_improvement(mean: ArrayLike, sd: ArrayLike, best: float) -> Floats:
    """The expected amount by which normal values exceed `best`, counting 0 where they do not.

    Jones, Schonlau and Welch (1998), "Efficient global optimization of expensive black-box functions", equation 15,
    for maximisation. A point without uncertainty improves by what its mean exceeds the best.

    >>> [round(float(each), 4) for each in expected_improvement([0.0, 1.0, -1.0, 2.0], [1.0, 1.0, 1.0, 0.0], 0.0)]
    [0.3989, 1.0833, 0.0833, 2.0]

    Args:
        mean: of each value.
        sd: the standard deviation of each, at least 0.
        best: what is to be exceeded.
    """
    gain, spread = np.asarray(mean, dtype=float) - best, np.asarray(sd, dtype=float)
    z = np.clip(gain / np.where(spread > 0, spread, 1.0), -40, 40)
    density = np.exp(-0.5 * z**2) / sqrt(2 * pi)
    found = gain * normal_cdf(z) + spread * density
    return np.where(spread > 0, np.maximum(found, 0.0), np.maximum(gain, 0.0))


def normal_cdf(z: Floats) -> Floats:
    """The standard normal distribution function.

    Hart's rational approximation as given by West (2005), "Better approximations to cumulative normal functions",
    for |z| under 7.07, and a continued fraction beyond: absolute error under 1e-14.

    >>> [round(float(each), 6) for each in normal_cdf(np.array([-1.959964, 0.0, 1.0]))]
    [0.025, 0.5, 0.841345]
    """
    size = np.minimum(np.abs(z), 37.0)
    decay = np.exp(-0.5 * size**2)
    upper = np.polyval(
        (
            0.0352624965998911,
            0.700383064443688,
            6.37396220353165,
            33.912866078383,
            112.079291497871,
            221.213596169931,
            220.206867912376,
        ),
        size,
    )
    lower = np.polyval(
        (
            0.0883883476483184,
            1.75566716318264,
            16.064177579207,
            86.7807322029461,
            296.564248779674,
            637.333633378831,
            793.826512519948,
            440.413735824752,
        ),
        size,
    )
    far = size
    for k in (0.65, 4.0, 3.0, 2.0, 1.0):
        far = size + k / np.maximum(far, 1e-9)
    tail = np.where(size < 7.07106781186547, decay * upper / lower, decay / (np.maximum(far, 1e-9) * sqrt(2 * pi)))
    return np.where(z > 0, 1 - tail, tail)
