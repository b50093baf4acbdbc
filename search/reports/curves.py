"""The N-curves of a sweep: what more draws of each of its pools would give."""

from __future__ import annotations

from collections.abc import Sequence

from ...orchestrator.wording import in_words
from ...strategies import BestOfN, RandomNoiseSearch, Sample
from ..pools.arms import Arm
from ..pools.holdings import Holdings
from ..pools.n_curve import n_curve
from ..pools.pool import Pool
from .naming import name_of
from .report_curve import Curve

LEAST_ITEMS = 15
"""Queries that must have so many draws, or all that have any where they are fewer."""
MOST_CURVES = 6


def curves(holdings: Holdings) -> tuple[Curve, ...]:
    """The curves of the pools that hold the most, one for each way to draw and judge, at doubling numbers of draws.

    Of two arms that draw alike the one is left out whose pools the other's serve.
    """
    held = {arm: _as_long(pools) for arm, pools in holdings.held().items()}
    told = {arm: pools for arm, pools in held.items() if _draws(pools) > 1 and not _is_served(arm, held)}
    most = sorted(told.items(), key=lambda each: (-_draws(each[1]), -len(each[1]), each[0].id))[:MOST_CURVES]
    return tuple(n_curve(pools, _doubling(_draws(pools)), name=_named(arm)) for arm, pools in most)


def _as_long(pools: Sequence[Pool]) -> list[Pool]:
    """The pools with the most draws that enough queries have."""
    sizes = sorted(map(len, pools), reverse=True)
    wanted = sizes[min(LEAST_ITEMS, len(sizes)) - 1]
    return [pool for pool in pools if len(pool) >= wanted]


def _draws(pools: Sequence[Pool]) -> int:
    return min(map(len, pools))


def _is_served(arm: Arm, held: dict[Arm, list[Pool]]) -> bool:
    """Whether another arm's pools tell no less."""
    size = (_draws(held[arm]), len(held[arm]))
    return any(
        other != arm and other.serves(arm) and (_draws(pools), len(pools)) >= size for other, pools in held.items()
    )


def _doubling(draws: int) -> list[int]:
    return [n for n in (2**i for i in range(draws.bit_length())) if n < draws] + [draws]


def _named(arm: Arm) -> str:
    strategy = arm.strategy
    if isinstance(strategy, RandomNoiseSearch):
        return name_of(strategy.model_copy(update={"n": 1})).replace(f"{strategy.kind} of 1, ", f"{strategy.engine}, ")
    assert isinstance(strategy, Sample | BestOfN)
    words = f"{strategy.engine}, T {strategy.temperature:g}, at most {strategy.max_tokens} tokens"
    return words if arm.verifier is None else f"{words}, scored by {in_words(arm.verifier)}"
