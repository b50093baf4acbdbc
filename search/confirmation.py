"""What is confirmed: the compositions chosen, and the baselines that they must beat at equal cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..orchestrator.strategy import Strategy
from ..strategies import RandomNoiseSearch
from .decisions.evidence import Evidence
from .pools.arms import is_pooled
from .pools.outcomes import method_of
from .problem import Choice

BASELINES: Mapping[str, tuple[str, ...]] = {
    "single draw": ("single",),
    "vote": ("vote",),
    "best of N": ("best_of_n", "weighted_vote"),
}


def to_confirm(
    choices: Sequence[Choice], evidence: Evidence, strategies: Sequence[Strategy], costs: Sequence[float]
) -> list[int]:
    """The numbers of what to confirm, the most important first.

    First the choices; then, level by level, the best of each kind of baseline that costs no more; then the cheapest
    that is tied with each choice.

    Args:
        choices: of the search, in the order of the levels.
        evidence: on the development queries.
        strategies: all compositions, by number.
        costs: mean cost of a fresh query of each, in the dimension of the levels.
    """
    wanted = [choice.composition for choice in choices]
    for choice in choices:
        ceiling = max(choice.level, costs[choice.composition])
        wanted += baselines(evidence, strategies, costs, ceiling).values()
    wanted += [choice.tied[0] for choice in choices if choice.tied]
    return list(dict.fromkeys(wanted))


def baselines(
    evidence: Evidence, strategies: Sequence[Strategy], costs: Sequence[float], ceiling: float
) -> dict[str, int]:
    """The best measured baseline of each kind that costs at most `ceiling`, by the development queries."""
    found: dict[str, int] = {}
    for kind in BASELINES:
        measured = (number for number in evidence.compositions if costs[number] <= ceiling)
        if rivals := [number for number in measured if baseline_of(strategies[number]) == kind]:
            found[kind] = max(rivals, key=lambda n: (_seen(evidence, n), -costs[n], strategies[n].id))
    return found


def baseline_of(composition: Strategy) -> str | None:
    """The kind of baseline that a composition is, a key of `BASELINES`; None where it is none.

    >>> from ponder.verifiers import ClassLogprob
    >>> baseline_of(RandomNoiseSearch(n=8, verifier=ClassLogprob()))
    'best of N'
    """
    if type(composition) is RandomNoiseSearch:
        return "single draw" if composition.n == 1 else "best of N"
    method = method_of(composition)[0] if is_pooled(composition) else None
    return next((kind for kind, methods in BASELINES.items() if method in methods), None)


def largest_search(strategies: Sequence[Strategy], costs: Sequence[float], ceiling: float) -> int | None:
    """The number of the random search over the most noises that costs at most `ceiling`; None where there is none.

    Its pool tells of every smaller one.
    """
    sizes = {
        number: each.n
        for number, each in enumerate(strategies)
        if isinstance(each, RandomNoiseSearch) and is_pooled(each) and each.n > 1 and costs[number] <= ceiling
    }
    return max(sizes, key=lambda number: (sizes[number], costs[number], -number), default=None)


def _seen(evidence: Evidence, number: int) -> tuple[bool, float]:
    """How good it looked; what was seen on few queries comes after what was seen on more."""
    values = evidence.values(number)
    count = int(np.count_nonzero(~np.isnan(values)))
    return count * 2 >= evidence.items, float(np.nanmean(values)) if count else 0.0
