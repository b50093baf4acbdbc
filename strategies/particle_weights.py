"""What particles weigh: potentials of scores, how many particles a set of weights is worth, and tempering.

Weights are natural logarithms, ``-inf`` for a particle whose score cannot be told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from .allocation import softmax

Potential = Literal["odds", "probability", "exponential"]
Tempering = Literal["none", "ess", "entropy", "linear"]
CLIP = 1e-7
EARLY = 0.5
POOR = 0.5


def log_potential(score: float | None, potential: Potential = "odds") -> float:
    """The logarithm of a score's potential: ``r / (1 - r)``, ``r`` or ``exp(r)``; of None, minus infinity.

    Probabilities are kept 1e-7 away from 0 and 1.

    >>> log_potential(0.5), log_potential(0.5, "exponential"), log_potential(None)
    (0.0, 0.5, -inf)
    """
    if score is None:
        return -math.inf
    if potential == "exponential":
        return score
    chance = min(max(score, CLIP), 1 - CLIP)
    return math.log(chance) - (math.log1p(-chance) if potential == "odds" else 0.0)


def effective_size(shares: Sequence[float]) -> float:
    """How many equal particles the shares are worth (Kong, Liu and Wong 1994): from 1 to their number.

    >>> effective_size([0.25] * 4), effective_size([1.0, 0.0])
    (4.0, 1.0)
    """
    return 1 / math.fsum(share * share for share in shares)


def tempered(log_weights: Sequence[float], tempering: Tempering, progress: float) -> tuple[float, ...]:
    """The shares of particles, flattened where a few have nearly all too early.

    That is: in the first half of the steps (`progress` is the part of them that is done), where the effective size is
    under half the number of particles. The temperature, never below 1, is the number over the effective size, times
    what is left (``ess``); one over the normalised entropy, drawn to 1 by `progress` (``entropy``); or
    ``2 - progress`` (``linear``).
    """
    shares = softmax(log_weights)
    n, size = len(shares), effective_size(shares)
    if tempering == "none" or progress >= EARLY or size >= POOR * n:
        return shares
    entropy = -math.fsum(share * math.log(share) for share in shares if share) / math.log(n)
    temperature = {
        "ess": n / size * (1 - progress),
        "entropy": 1 / max(entropy + (1 - entropy) * progress, CLIP),
        "linear": 2 - progress,
    }[tempering]
    return softmax(log_weights, max(1.0, temperature))


def log_mean(log_weights: Sequence[float]) -> float:
    """The logarithm of the mean weight.

    >>> round(log_mean([0.0, -math.inf]), 6)
    -0.693147
    """
    highest = max(log_weights)
    if highest == -math.inf:
        return highest
    return highest + math.log(math.fsum(math.exp(each - highest) for each in log_weights) / len(log_weights))
