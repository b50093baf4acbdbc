"""The canonical form: the simplest strategy that gives the same answers at the same cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...orchestrator.pipeline import Pipeline, is_series
from ...orchestrator.plan import Plan
from ...orchestrator.shape import Shape
from ...orchestrator.strategy import Strategy
from ...strategies import (
    AdaptiveConsistency,
    AdaptiveSampling,
    BestOfN,
    Cascade,
    Critic,
    EarlyStoppingSelfConsistency,
    Ensemble,
    FirstAccepted,
    Fuse,
    Rank,
    Ranker,
    RouteByDifficulty,
    Sample,
    SelfConsistency,
    UnitTestEvaluator,
    UnitTestGenerator,
    VerifierFilter,
    Vote,
)

CHOOSING = (
    BestOfN,
    SelfConsistency,
    AdaptiveConsistency,
    EarlyStoppingSelfConsistency,
    FirstAccepted,
    AdaptiveSampling,
)
"""Strategies that have nothing to choose from where they draw once."""
NARROWING = (Rank, Ranker, UnitTestEvaluator)
GREEDY = (Sample, BestOfN, SelfConsistency, Fuse, Critic, Ranker, VerifierFilter, UnitTestGenerator, UnitTestEvaluator)
"""Strategies that draw by their own temperature and `top_p` alone."""


def plain(strategy: Strategy) -> Strategy:
    """The simplest strategy whose answers and costs are distributed as those of `strategy`, whatever the engines.

    One draw among which nothing is chosen is a `sample`; what orders one candidate for nothing is left out; a series
    of one is that one; knobs without effect are at their defaults. What costs something stays, also where it cannot
    change the answer. Subclasses of ponder's strategies may do more, and are left as they are.

    >>> from ponder.verifiers import ProcessReward
    >>> plain(Pipeline.series(BestOfN(n=1, verifier=ProcessReward(), temperature=0.7), Vote())).model_dump()["kind"]
    'sample'
    """
    return _plain(strategy, Shape())


def _plain(strategy: Strategy, given: Shape) -> Strategy:
    kind = type(strategy)
    if isinstance(strategy, Pipeline):
        return _plain_pipeline(strategy, given)
    if isinstance(strategy, Ensemble) and kind is Ensemble and len(strategy.members) == 1:
        return _with_effect(strategy.members[0], given)
    if isinstance(strategy, Cascade) and kind is Cascade:
        return strategy.model_copy(update={"stages": tuple(_plain(stage, given) for stage in strategy.stages)})
    if isinstance(strategy, RouteByDifficulty) and kind is RouteByDifficulty:
        return strategy.model_copy(update={"routes": tuple(_plain(route, given) for route in strategy.routes)})
    if kind in CHOOSING and _draws_once(strategy):
        strategy = Sample(**strategy.model_dump(include=set(Sample.model_fields) - {"kind"}))
    elif _votes_once(strategy):
        strategy = SelfConsistency(**strategy.model_dump(include=set(SelfConsistency.model_fields) - {"kind"}))
    return _with_effect(strategy, given)


def _draws_once(strategy: Any) -> bool:
    is_judged = isinstance(strategy, FirstAccepted) and strategy.abstain
    is_launched = isinstance(strategy, AdaptiveConsistency) and strategy.launch == "all"
    return strategy.n == 1 and not is_judged and not is_launched


def _votes_once(strategy: Strategy) -> bool:
    """Whether it draws all its votes before it looks at any."""
    if isinstance(strategy, EarlyStoppingSelfConsistency):
        return type(strategy) is EarlyStoppingSelfConsistency and strategy.window >= strategy.n
    if isinstance(strategy, AdaptiveConsistency):
        is_in_rounds = type(strategy) is AdaptiveConsistency and strategy.launch == "rounds"
        return is_in_rounds and strategy.round >= strategy.n
    return False


def _plain_pipeline(pipeline: Pipeline, given: Shape) -> Strategy:
    if type(pipeline) is not Pipeline or pipeline.engines:
        return pipeline
    flow = [(node, _plain(node.strategy, received), received) for node, received, _ in pipeline.flow(given, Plan())]
    if not is_series([node for node, _, _ in flow]):
        nodes = tuple(node.model_copy(update={"strategy": strategy}) for node, strategy, _ in flow)
        return Pipeline(nodes=nodes)
    stages = [stage for _, strategy, received in flow for stage in _stages(strategy, received)]
    stages = stages or [flow[-1][1]]
    if len(stages) == 1:
        return stages[0]
    is_plain = (pipeline.name, len(stages)) == ("pipeline", len(flow)) and all(
        node.strategy is stage and node.name == f"{stage.kind}_{i}"
        for i, (node, stage) in enumerate(zip(pipeline.nodes, stages, strict=True))
    )
    return pipeline if is_plain else Pipeline.series(*stages)


def _stages(strategy: Strategy, given: Shape) -> Sequence[Strategy]:
    """The stages that a plain strategy is within a series."""
    if type(strategy) is Pipeline and not strategy.engines and is_series(strategy.nodes):
        return [node.strategy for node in strategy.nodes]
    return [] if _is_idle(strategy, given) else [strategy]


def _is_idle(strategy: Strategy, given: Shape) -> bool:
    """Whether a strategy gives what it is given, for nothing, where that is one candidate at most."""
    if given.most > 1:
        return False
    if type(strategy) is Rank:
        return not strategy.verifier.engine_names() and not strategy.verifier.is_recorded
    return type(strategy) in (Vote, Ranker)


def _with_effect(strategy: Strategy, given: Shape) -> Strategy:
    """The strategy with knobs that have no effect at their defaults."""
    idle: set[str] = set()
    knobs: Any = strategy
    kind = type(strategy)
    if kind in GREEDY and knobs.temperature == 0:
        idle.add("top_p")
    if kind in NARROWING and knobs.keep is not None and knobs.keep >= given.most:
        idle.add("keep")
    if kind is BestOfN and not knobs.weighted:
        idle.add("answer")
    if kind is UnitTestEvaluator and knobs.verifier is not None:
        idle |= {"temperature", "top_p", "max_tokens", "engine", "prompt"}
    fields = type(strategy).model_fields
    return strategy.model_copy(update={name: fields[name].get_default() for name in idle}) if idle else strategy
