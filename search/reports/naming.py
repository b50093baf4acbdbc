"""What compositions are called in reports."""

from __future__ import annotations

from ...orchestrator.pipeline import Pipeline
from ...orchestrator.strategy import Strategy
from ...orchestrator.wording import in_words
from ...strategies import RouteByDifficulty
from ...strategies.denoising import DenoisingStrategy
from ..pools.arms import is_pooled
from ..pools.estimators import method_named
from ..pools.outcomes import method_of


def name_of(strategy: Strategy) -> str:
    """A composition in few words; two that differ in a knob that is seldom looked at may share them.

    >>> from ponder.strategies import SelfConsistency
    >>> name_of(SelfConsistency(n=8, temperature=0.7))
    'vote of 8, T 0.7'
    >>> from ponder.strategies import SVDD
    >>> from ponder.verifiers import ClassLogprob
    >>> name_of(SVDD(n=4, steps=16, conditional=False, verifier=ClassLogprob()))
    'svdd of 4, 16 steps verifier=class_logprob'
    """
    if isinstance(strategy, Pipeline):
        return " → ".join(in_words(node.strategy) for node in strategy.nodes)
    if isinstance(strategy, RouteByDifficulty):
        return "by difficulty: " + " or ".join(map(name_of, strategy.routes))
    if isinstance(strategy, DenoisingStrategy):
        others = in_words(strategy.model_copy(update=_defaults(strategy, "n", "steps", "conditional")))
        width = f" of {strategy.n}" if hasattr(strategy, "n") else ""
        return f"{strategy.kind}{width}, {strategy.steps} steps{others.removeprefix(strategy.kind)}"
    if not is_pooled(strategy):
        return in_words(strategy.model_copy(update=_defaults(strategy, "max_tokens", "answer")))
    method, n = method_of(strategy)
    label = method_named(method).label.format(n=n)
    return f"{label}, T {getattr(strategy, 'temperature', 0.0):g}"


def _defaults(strategy: Strategy, *knobs: str) -> dict[str, object]:
    """The defaults of some knobs, which compositions of one space have mostly in common or which are said already."""
    fields = type(strategy).model_fields
    return {knob: fields[knob].get_default() for knob in knobs if knob in fields}
