"""What compositions are called in reports."""

from __future__ import annotations

from ...orchestrator.pipeline import Pipeline
from ...orchestrator.strategy import Strategy
from ...orchestrator.wording import in_words
from ...strategies import RouteByDifficulty
from ..pools.arms import is_pooled
from ..pools.estimators import method_named
from ..pools.outcomes import method_of


def name_of(strategy: Strategy) -> str:
    """A composition in few words; two that differ in a knob that is seldom looked at may share them.

    >>> from ponder.strategies import SelfConsistency
    >>> name_of(SelfConsistency(n=8, temperature=0.7))
    'vote of 8, T 0.7'
    """
    if isinstance(strategy, Pipeline):
        return " → ".join(in_words(node.strategy) for node in strategy.nodes)
    if isinstance(strategy, RouteByDifficulty):
        return "by difficulty: " + " or ".join(map(name_of, strategy.routes))
    if not is_pooled(strategy):
        return in_words(strategy.model_copy(update=_seldom_looked_at(strategy)))
    method, n = method_of(strategy)
    label = method_named(method).label.format(n=n)
    return f"{label}, T {getattr(strategy, 'temperature', 0.0):g}"


def _seldom_looked_at(strategy: Strategy) -> dict[str, object]:
    """The defaults of knobs that compositions of one space have mostly in common."""
    fields = type(strategy).model_fields
    return {knob: fields[knob].get_default() for knob in ("max_tokens", "answer") if knob in fields}
