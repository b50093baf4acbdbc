"""Where in a pipeline a strategy may stand: before every candidate, or after some."""

from __future__ import annotations

from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy


def check_given(strategy: Strategy, shape: Shape, plan: Plan) -> None:
    """Refuse a place where nothing is drawn before.

    Raises:
        ShapeError: there are no candidates.
    """
    if shape.is_empty:
        rule = f"{strategy.kind} works on candidates, but nothing before it draws any"
        raise plan.refuse(rule, "put a sample before it")


def check_first(strategy: Strategy, shape: Shape, plan: Plan) -> None:
    """Refuse a place where candidates that were drawn before would be dropped.

    Raises:
        ShapeError: there are candidates.
    """
    if not shape.is_empty:
        rule = f"{strategy.kind} draws from the query and must come first, but it is given candidates"
        raise plan.refuse(rule, "move it to the start of its branch, or choose among candidates with rank or vote")
