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
    return (*_offers(problem, evidence, strategies, columns), *_gap(problem, evidence, decision))


def _offers(
    problem: LiveProblem, evidence: Evidence, strategies: Sequence[Strategy], columns: Sequence[str]
) -> Iterator[str]:
    """Compositions that were not measured, of which much is expected at several times the highest level."""
    accuracies, items = np.full(problem.size, np.nan), np.ones(problem.size)
    for number in evidence.compositions:
        values = evidence.values(number)
        known = values[~np.isnan(values)]
        accuracies[number], items[number] = known.mean(), len(known)
    costs = [problem.cost(number) for number in range(problem.size)]
    found = outlook(
        problem.features, accuracies, items, costs, problem.families, level=problem.levels[-1], factor=TIMES
    )
    for offer in found.offers:
        yield offer.in_words(name_of(strategies[offer.composition]), problem.by, columns)


def _gap(problem: LiveProblem, evidence: Evidence, decision: Decision) -> Iterator[str]:
    """Whether more queries would tell the leaders of the highest level apart."""
    chosen = decision.choices[-1]
    rivals = [n for n in evidence.compositions if n != chosen.composition and problem.cost(n) <= chosen.level]
    shared = [n for n in rivals if _shared(evidence, chosen.composition, n) >= 2]
    if shared:
        second = max(shared, key=lambda n: (n in chosen.tied, float(np.nanmean(evidence.values(n))), -n))
        yield gap_outlook(evidence, chosen.composition, second).in_words()


def _shared(evidence: Evidence, one: int, other: int) -> int:
    """Queries that both were measured on in one replicate."""
    ours, theirs = (dict(zip(evidence.replicates(n), evidence.replicated(n), strict=True)) for n in (one, other))
    both = [~np.isnan(ours[replicate] - theirs[replicate]) for replicate in ours.keys() & theirs.keys()]
    return int(np.any(both, axis=0).sum()) if both else 0
