"""What suggests compositions of a space to its search, beside the search itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .decisions.model_moves import ModelMoves, swaps_of
from .decisions.neighbours import Neighbours
from .decisions.optuna_proposer import OptunaProposer
from .decisions.proposer import Proposer
from .live_problem import LiveProblem
from .spaces.space import Point
from .sweep import Sweep


def proposers_of(sweep: Sweep, problem: LiveProblem) -> tuple[Proposer, ...]:
    """Moves from model to model where there are any, neighbours where the space is sampled, Optuna where it is asked.

    Raises:
        UsageError: Optuna is asked, and is not installed.
    """
    found: list[Proposer] = [*model_moves(problem.points, sweep.engines)]
    point = problem.points.__getitem__
    if problem.is_sampled:
        found.append(Neighbours(sweep.space, point, problem.add))
    if sweep.proposer == "optuna":
        found.append(optuna := OptunaProposer(sweep.space, point, problem.add))
        optuna.check()
    return tuple(found)


def model_moves(points: Sequence[Point], engines: Collection[str]) -> tuple[ModelMoves, ...]:
    """Moves from model to model, where compositions differ in which engine plays a role.

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
