"""The strategies and verifiers that a strategy is made of."""

from __future__ import annotations

from collections.abc import Iterator

from .pipeline import Node
from .strategy import Strategy
from .verifier import Verifier


def parts(part: object) -> Iterator[Strategy | Node | Verifier]:
    """Every strategy of a strategy, itself included, and the verifiers that these ask themselves."""
    if isinstance(part, tuple):
        for item in part:
            yield from parts(item)
    if isinstance(part, Strategy | Node | Verifier):
        yield part
    if isinstance(part, Strategy | Node):
        for name in type(part).model_fields:
            yield from parts(getattr(part, name))


def needing_reference(strategy: Strategy) -> Verifier | None:
    """The first of its verifiers that can judge only a query with a reference answer."""
    return next((part for part in parts(strategy) if isinstance(part, Verifier) and part.needs_reference), None)
