"""Model moves: which model plays which role, one role at a time."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..problem import Problem
from .evidence import Evidence

DIGITS = 9
"""Decimals to which values are told apart."""

Swaps = Mapping[int, tuple[tuple[int, ...], ...]]
"""By the number of a composition: for each of its roles, itself and those that differ from it in that role alone."""


def swaps_of(choices: Sequence[Mapping[str, Hashable]], roles: Sequence[str]) -> Swaps:
    """The compositions that each can become by another model in one role.

    Args:
        choices: of each composition, in the order of their numbers: the value of each axis that it has.
        roles: the axes that hold names of engines, in the order in which they are tried.

    >>> swaps_of([{"draws": "a"}, {"draws": "b"}, {"draws": "a", "judges": "a"}], ["draws", "judges"])
    {0: ((0, 1),), 1: ((0, 1),), 2: ((2,), (2,))}
    """
    groups: dict[tuple[str, frozenset[tuple[str, Hashable]]], list[int]] = {}
    keys = [
        [(role, frozenset(item for item in chosen.items() if item[0] != role)) for role in roles if role in chosen]
        for chosen in choices
    ]
    for number, own in enumerate(keys):
        for key in own:
            groups.setdefault(key, []).append(number)
    return {number: tuple(tuple(groups[key]) for key in own) for number, own in enumerate(keys)}


@dataclass(frozen=True, slots=True)
class Ascent:
    """How far the evidence carries from a composition.

    Args:
        reached: the composition where it ends.
        untried: what must be measured to go on; empty where no role has a better model.
    """

    reached: int
    untried: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelMoves:
    """Coordinate ascent over models: role after role, all models are tried in it, the others held.

    A role goes to the model that is among the best on the most items; then to the better mean, the lower cost, and
    the one that has it. It ends when a whole cycle of roles changes nothing. Each call climbs anew from the incumbents
    on the evidence there is, so that nothing but the evidence decides; what was measured already costs nothing.

    Source: Chen et al. 2025 (LLMSelector), arXiv 2502.14815, algorithm 1.
    Departs: starts from the incumbents instead of a random allocation; no model diagnoses which role is to blame; a
        model whose mean is lower never takes a role, and none above the incumbent's level or measured on fewer items
        than the one in the role, so that it ends and is never worse than it began.

    Args:
        swaps: what each composition can become, from `swaps_of`.
    """

    swaps: Swaps

    def propose(
        self, problem: Problem, evidence: Evidence, incumbents: Sequence[int], rng: np.random.Generator
    ) -> list[int]:
        """What each incumbent must see measured to go on; it uses no chance."""
        ascents = [self.ascend(problem, evidence, start) for start in incumbents]
        return list(dict.fromkeys(number for ascent in ascents for number in ascent.untried))

    def ascend(self, problem: Problem, evidence: Evidence, start: int) -> Ascent:
        """Climb from a composition as far as the evidence goes, within the lowest level that it fits."""
        level = min((level for level in problem.levels if level >= problem.cost(start)), default=math.inf)
        measured, left = set(evidence.compositions), set[int]()
        here, turn, unchanged = start, 0, 0
        roles = self.swaps.get(start, ())
        while unchanged < len(roles):
            group = self.swaps[here][turn % len(roles)]
            models = [number for number in group if number == here or problem.cost(number) <= level]
            untried = tuple(number for number in models if number not in measured)
            if untried:
                return Ascent(here, untried)
            best = _best(problem, evidence, here, [number for number in models if number not in left])
            unchanged = unchanged + 1 if best == here else 0
            left.update({here} - {best})
            here, turn = best, turn + 1
        return Ascent(here)


def _best(problem: Problem, evidence: Evidence, here: int, models: Sequence[int]) -> int:
    """The model, told by its composition, that is most often among the best on the items of the one in the role."""
    own = evidence.values(here)
    items = np.flatnonzero(~np.isnan(own))
    seen = [(number, np.round(evidence.values(number)[items], DIGITS)) for number in models]
    rivals = [(number, row) for number, row in seen if row.mean() >= np.round(own[items], DIGITS).mean()]
    table = np.array([row for _, row in rivals])
    wins = (table == table.max(axis=0)).sum(axis=1)
    keys = [
        (int(won), round(float(row.mean()), DIGITS), -problem.cost(number), number == here, -number)
        for won, (number, row) in zip(wins, rivals, strict=True)
    ]
    return rivals[max(range(len(rivals)), key=keys.__getitem__)][0]
