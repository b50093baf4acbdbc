"""Noising again: from a state of denoising back to a noisier one."""

from __future__ import annotations

from ..orchestrator.errors import UsageError
from ..orchestrator.images import Array, Latent
from ..orchestrator.interpolants import Interpolant


def renoising(path: Interpolant, t: float, to: float) -> tuple[float, float]:
    """How a state at one time becomes one at a noisier time: its factor, and the variance of the noise that is added.

    ``a_f / a_s`` and ``s_f^2 - (a_f / a_s)^2 s_s^2``, the Markov kernel of which the interpolant's mixtures are the
    marginals. Two in a row are one. The state must not be taken for data: ``a_f x + s_f z`` forgets too much.

    >>> from ponder.orchestrator.interpolants import LINEAR
    >>> renoising(LINEAR, 0.5, 0.5), renoising(LINEAR, 0.0, 0.5), renoising(LINEAR, 0.5, 1.0)
    ((1.0, 0.0), (0.5, 0.25), (0.0, 1.0))

    Args:
        path: the interpolant that the state is in.
        t: its time, below 1.
        to: the time to go to, at least that.

    Raises:
        UsageError: it is not.
    """
    if not t <= to <= 1.0 or t == 1.0:
        raise UsageError(f"noise must be added from a time below 1 to a later one up to 1, got {t} to {to}; swap them")
    factor = float(path.signal(to) / path.signal(t))
    return factor, max(0.0, float(path.noise(to) ** 2 - factor**2 * path.noise(t) ** 2))


def renoised(path: Interpolant, latent: Latent, to: float, z: Array) -> Latent:
    """A state at a noisier time, by standard normal noise `z`; see `renoising`."""
    factor, variance = renoising(path, latent.t, to)
    return Latent.of(factor * latent.array + variance**0.5 * z, to)
