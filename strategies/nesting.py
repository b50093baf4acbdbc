"""Strategies as knobs of strategies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy


def build(data: Any) -> Strategy:
    """The strategy that a table with a ``kind`` describes; a pipeline where its module is loaded.

    Raises:
        UsageError: no such kind, or a knob out of range.
    """
    from . import STRATEGIES  # which names those that nest, and so is made after them

    return STRATEGIES.build(data)


AnyStrategy = Annotated[SerializeAsAny[Strategy], BeforeValidator(build)]


def engines_of(strategies: Iterable[Strategy]) -> tuple[str, ...]:
    """Every engine that one of `strategies` uses, in their order."""
    return tuple(dict.fromkeys(name for strategy in strategies for name in strategy.engine_names()))


def infer_part(strategy: Strategy, name: str, shape: Shape, plan: Plan) -> Shape:
    """The shape of what a part gives, under its own name in messages."""
    outer, plan.node = plan.node, f"{plan.node}.{name}" if plan.node else name
    inferred = strategy.infer(shape, plan)
    plan.node = outer
    return inferred
