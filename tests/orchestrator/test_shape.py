"""Shapes and estimates: what flows, and what it may cost, before anything runs."""

import pytest

from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.shape import Estimate, Plan, Shape
from ponder.orchestrator.types import Usage
from ponder.verifiers import ExactMatch, ProcessReward

ENGINES = {name: SimulatedSpec(completion_price=1000.0).open() for name in ("generator", "reward")}
PLAN = {"generator": 10, "reward": 10}


def test_merging_keeps_the_scores_that_all_have() -> None:
    one, other = Shape(1, 4, frozenset("ab"), 50), Shape(1, 2, frozenset("bc"), 80)
    assert one.merged(other) == Shape(2, 6, frozenset("b"), 80)
    assert one.merged(Shape()) == Shape().merged(one) == one
    assert one.narrowed(3) == Shape(1, 3, frozenset("ab"), 50)
    assert Shape().is_empty
    assert not one.is_empty


def test_a_plan_counts_draws_and_their_judgements() -> None:
    plan = Plan(ENGINES, PLAN)
    shape = plan.sample(4, Sampling(max_tokens=20), then=ProcessReward())
    assert shape == Shape(1, 4, frozenset({"process_reward"}), 20)
    most, least = plan.estimate.most, plan.estimate.least
    assert (most.calls, most.verifier_calls) == (4, 4)
    assert (most.prompt_tokens, most.completion_tokens) == (4 * 10 + 4 * 30, 4 * 20)
    assert (least.calls, least.verifier_calls, least.completion_tokens) == (4, 1, 4)
    assert most.nano_usd == (4 * 20) * 1_000_000
    assert plan.attempt.most.total_tokens == 10 + 20 + 30


def test_judging_is_counted_by_the_longest_candidate() -> None:
    plan = Plan(ENGINES, PLAN)
    plan.score(Shape(1, 3, frozenset(), 900), ProcessReward())
    assert plan.estimate.most.prompt_tokens == 3 * 910
    free = Plan(ENGINES, PLAN)
    assert free.score(Shape(1, 3), ExactMatch()).scored_by == {"exact_match"}
    assert free.estimate == Estimate()


def test_without_engines_only_shapes_are_followed() -> None:
    plan = Plan()
    assert plan.sample(4, Sampling(), then=ProcessReward()).most == 4
    assert plan.estimate == Estimate(Usage(), Usage())


def test_an_engine_that_is_not_there_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"node 'a': engine 'big' must be one of .*\(generator, reward\); add it"):
        Plan(ENGINES, PLAN, node="a").sample(1, Sampling(), engine="big")
