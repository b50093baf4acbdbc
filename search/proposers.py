"""What suggests compositions of a space to its search, beside the search itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .decisions.model_moves import ModelMoves, swaps_of
from .decisions.proposer import Proposer
from .spaces.space import Point


def proposers_of(points: Sequence[Point], engines: Collection[str]) -> tuple[Proposer, ...]:
    """Moves from model to model, where compositions differ in which engine plays a role; nothing else so far.

    Args:
        points: the compositions.
        engines: the names of the sweep's engines.
    """
    values: dict[str, set[object]] = {}
    for point in points:
        for axis, value in point.choices.items():
            values.setdefault(axis, set()).add(value)
    roles = [axis for axis, found in values.items() if len(found) > 1 and found <= set(engines)]
    return (ModelMoves(swaps_of([point.choices for point in points], roles)),) if roles else ()
