"""What a pool says of a composition: the expected label of its answer, and what a fresh run costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..orchestrator.budget import COUNTED
from ..orchestrator.strategy import Strategy
from ..strategies import BestOfN, SelfConsistency
from .arms import draws_of, is_pooled
from .estimators import estimates, expected_cost
from .pool import Pool
from .problem import Floats


@dataclass(frozen=True, slots=True)
class Outcome:
    """A composition on one query.

    Args:
        value: the expected label, 0 to 1.
        cost: of a fresh run, in the order of `COUNTED`.
        failed: draws behind it that were lost.
        unjudged: draws that the checker could not judge.
        unscored: draws that the verifier that chooses could not judge.
    """

    value: float
    cost: Floats
    failed: int = 0
    unjudged: int = 0
    unscored: int = 0


def outcome(composition: Strategy, pool: Pool) -> Outcome:
    """What `pool` says of a composition that it serves."""
    method, n = method_of(composition)
    cost = expected_cost(pool, method, n)
    is_scored = method in ("best_of_n", "weighted_vote")
    return Outcome(
        float(estimates([pool], method, n)[0]),
        np.array([cost[name] * (1e9 if name == "cost_usd" else 1.0) for name in COUNTED]),
        sum(draw.is_lost for draw in pool.draws),
        sum(draw.is_unjudged for draw in pool.draws),
        sum(draw.score is None and not draw.is_lost for draw in pool.draws) if is_scored else 0,
    )


def method_of(composition: Strategy) -> tuple[str, int]:
    """How a composition's answer is estimated from its arm's pool: a key of `METHODS`, and how many draws."""
    if not is_pooled(composition):
        return "single", 1
    match composition:
        case BestOfN(weighted=True, n=n) if n > 1:
            return "weighted_vote", n
        case BestOfN(n=n) if n > 1:
            return "best_of_n", n
        case SelfConsistency(n=n):
            return "vote", n
    return "single", draws_of(composition)
