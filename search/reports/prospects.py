"""The prospects of a search that has ended: what a dearer query, and what more queries, would buy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...orchestrator.strategy import Strategy
from ..decisions.evidence import Evidence
from ..live_problem import LiveProblem
from ..problem import Decision
from .naming import name_of
from .outlook import gap_outlook, outlook

TIMES = 10.0


def prospects(
    problem: LiveProblem, evidence: Evidence, decision: Decision, strategies: Sequence[Strategy], columns: Sequence[str]
) -> tuple[str, ...]:
    """What the evidence lets expect, a line each.

    Args:
        problem: what was searched.
        evidence: all that was measured.
        decision: how the search ended.
        strategies: the compositions, by number.
        columns: what the columns of the problem's features are.
    """
    if not decision.choices:
        return ()
    believed = decision.choices[-1].estimate
    return (*_offers(problem, evidence, believed, strategies, columns), *_gap(problem, evidence, decision))


def _offers(
    problem: LiveProblem, evidence: Evidence, believed: float, strategies: Sequence[Strategy], columns: Sequence[str]
) -> Iterator[str]:
    """Compositions that were not measured and are expected to exceed `believed`, at several times the highest level."""
    accuracies, items = np.full(problem.size, np.nan), np.ones(problem.size)
    for number in evidence.compositions:
        values = evidence.values(number)
        known = values[~np.isnan(values)]
        accuracies[number], items[number] = known.mean(), len(known)
    costs = [problem.cost(number) for number in range(problem.size)]
    found = outlook(
        problem.features,
        accuracies,
        items,
        costs,
        problem.families,
        level=problem.levels[-1],
        factor=TIMES,
        better_than=believed,
    )
    if not found.offers and len(found.refused) < len(np.unique(problem.families)):
        yield (
            "nothing that was not measured is expected to be better than the choice of the highest level, at up to "
            f"{TIMES:g} times its cost a query"
        )
    for offer in found.offers:
        yield offer.in_words(name_of(strategies[offer.composition]), problem.by, columns)


def _gap(problem: LiveProblem, evidence: Evidence, decision: Decision) -> Iterator[str]:
    """Whether more queries would tell the choice of the highest level from the next best that shares many with it."""
    chosen = decision.choices[-1]
    rivals = [n for n in evidence.compositions if n != chosen.composition and problem.cost(n) <= chosen.level]
    shared = {n: _shared(evidence, chosen.composition, n) for n in rivals}
    enough = max(2, max(shared.values(), default=0) // 2)
    if known := [n for n in rivals if shared[n] >= enough]:
        second = max(known, key=lambda n: (n in chosen.tied, float(np.nanmean(evidence.values(n))), -n))
        yield gap_outlook(evidence, chosen.composition, second).in_words()


def _shared(evidence: Evidence, one: int, other: int) -> int:
    """Queries that both were measured on in one replicate."""
    ours, theirs = (dict(zip(evidence.replicates(n), evidence.replicated(n), strict=True)) for n in (one, other))
    both = [~np.isnan(ours[replicate] - theirs[replicate]) for replicate in ours.keys() & theirs.keys()]
    return int(np.any(both, axis=0).sum()) if both else 0
