"""What the searches from the literature share: they measure a composition on all development items, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

import numpy as np

from ..decisions.evidence import Evidence
from ..problem import Ask, Choice, Decision, Floats, Indices, Problem, Row

Measuring = Generator[Sequence[Ask], Sequence[Row], dict[int, Floats]]
BUDGET_ENDED, ALL_TRIED, DONE = (
    "the budget has ended",
    "every composition was tried",
    "as many as it may try were tried",
)


def measured(problem: Problem, compositions: Sequence[int], items: range | None = None) -> Measuring:
    """Measure compositions on some items, all by default; give the values of those that were measured on all of them.

    Fewer come back than were asked only where the budget has ended.
    """
    wanted = items if items is not None else range(problem.items)
    evidence = Evidence(problem.items)
    evidence.add((yield [Ask(composition, tuple(wanted)) for composition in compositions]))
    found = {composition: evidence.values(composition)[wanted.start : wanted.stop] for composition in compositions}
    return {composition: values for composition, values in found.items() if not np.isnan(values).any()}


def one_by_one(
    problem: Problem, scores: dict[int, float], most: int, propose: Callable[[], int | None]
) -> Generator[Sequence[Ask], Sequence[Row], str]:
    """Measure what is proposed until `most` are measured; put their means into `scores` and say why it ended."""
    while len(scores) < most:
        composition = propose()
        if composition is None:
            return ALL_TRIED
        values = yield from measured(problem, [composition])
        if not values:
            return BUDGET_ENDED
        scores[composition] = float(values[composition].mean())
    return DONE


def in_random_order(problem: Problem, seed: int) -> Indices:
    """All compositions, each once."""
    order: Indices = np.random.default_rng(seed).permutation(problem.size)
    return order


def decision(problem: Problem, scores: Mapping[int, float], reason: str) -> Decision:
    """The highest score at each level, the first that was measured where several have it."""
    choices = []
    for level in problem.levels:
        fitting = [composition for composition in scores if problem.cost(composition) <= level]
        if fitting:
            best = max(fitting, key=lambda composition: scores[composition])
            choices.append(Choice(level, best, scores[best]))
    return Decision(tuple(choices), reason)
