"""Shapes and estimates: what flows, and what it may cost, before anything runs."""

from dataclasses import replace

import pytest

from ponder.orchestrator.budget import amounts
from ponder.orchestrator.engine import Capabilities, Completion, Prompt, Reading, Request, Sampling
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.pipeline import Node, Pipeline
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.shape import Estimate, Shape
from ponder.orchestrator.types import Query, Usage
from ponder.strategies import BestOfN, Rank, Sample, Vote
from ponder.verifiers import ExactMatch, ProcessReward, SelfEvaluation

ENGINES = {name: SimulatedSpec(completion_price=1000.0).open() for name in ("generator", "reward")}
PLAN = {"generator": 10, "reward": 10}


def test_merging_keeps_the_scores_that_all_have() -> None:
    one, other = Shape(1, 4, frozenset("ab"), 50), Shape(1, 2, frozenset("bc"), 80)
    assert one.merged(other) == Shape(2, 6, frozenset("b"), 80)
    assert one.merged(Shape()) == Shape().merged(one) == one
    assert one.narrowed(3) == Shape(1, 3, frozenset("ab"), 50)
    assert Shape().is_empty
    assert not one.is_empty


def test_one_of_two_branches_has_as_many_as_the_smaller_to_the_larger() -> None:
    one, other = Shape(1, 4, frozenset("ab"), 50), Shape(0, 9, frozenset("b"), 20)
    assert one.either(other) == other.either(one) == Shape(0, 9, frozenset("b"), 50)


def test_merging_keeps_who_drew_where_all_is_known() -> None:
    one, other = Shape(1, 1, drawn_by=frozenset("a")), Shape(1, 1, drawn_by=frozenset("b"))
    assert one.merged(other).drawn_by == frozenset("ab")
    assert one.merged(Shape(1, 1)).drawn_by == Shape(1, 1).merged(one).drawn_by == frozenset()


def test_merging_keeps_what_all_carry_at_its_longest() -> None:
    short, long = Shape(1, 1, longest=5), Shape(1, 1, longest=9)
    both = Shape(1, 1).with_carried("critique", short).with_carried("unit_tests", short)
    merged = both.merged(Shape(1, 2).with_carried("critique", long))
    assert set(merged.carries) == {"critique"}
    assert merged.carries["critique"].longest == 9
    assert merged.narrowed(1).carries == merged.carries


def test_one_of_several_ways_costs_what_the_cheapest_and_the_dearest_do() -> None:
    plan = Plan(ENGINES, PLAN)
    many, long = plan.fork(), plan.fork()
    many.sample(4, Sampling(max_tokens=5))
    long.sample(1, Sampling(max_tokens=90))
    plan.join([many, long])
    assert (plan.estimate.least.calls, plan.estimate.most.calls) == (1, 4)
    assert (plan.estimate.most.completion_tokens, plan.estimate.most.prompt_tokens) == (90, 40)
    assert plan.attempt.most.completion_tokens == 90
    with plan.maybe():
        plan.join([many, long])
    assert (plan.estimate.least.calls, plan.estimate.most.calls) == (1, 8)


def test_a_way_knows_who_has_judged_before_it() -> None:
    plan, shape = Plan(ENGINES, PLAN), Shape(1, 1)
    judged, plain = plan.fork(), plan.fork()
    judged.score(shape, SelfEvaluation())
    plan.join([judged, plain])
    plan.score(shape, SelfEvaluation())
    again = plan.fork()
    again.score(shape, SelfEvaluation())
    assert plan.estimate.least.verifier_calls == 1
    assert again.estimate.least.verifier_calls == 0


def test_a_plan_counts_draws_and_their_judgements() -> None:
    plan = Plan(ENGINES, PLAN)
    shape = plan.sample(4, Sampling(max_tokens=20), then=ProcessReward())
    assert shape == Shape(1, 4, frozenset({"process_reward"}), 20, frozenset({"generator"}))
    most, least = plan.estimate.most, plan.estimate.least
    assert (most.calls, most.verifier_calls) == (4, 4)
    assert (most.prompt_tokens, most.completion_tokens) == (4 * 10 + 4 * 30, 4 * 20)
    assert (least.calls, least.verifier_calls, least.completion_tokens) == (4, 0, 4)
    assert most.nano_usd == (4 * 20) * 1_000_000
    assert plan.attempt.most.total_tokens == 10 + 20 + 30


def test_judging_is_counted_by_the_longest_candidate() -> None:
    plan = Plan(ENGINES, PLAN)
    plan.score(Shape(1, 3, frozenset(), 900), ProcessReward())
    assert plan.estimate.most.prompt_tokens == 3 * 910
    free = Plan(ENGINES, PLAN)
    assert free.score(Shape(1, 3), ExactMatch()).scored_by == {"exact_match"}
    assert free.estimate == Estimate()


def test_without_engines_only_shapes_and_the_critical_path_are_followed() -> None:
    plan = Plan()
    assert plan.sample(4, Sampling(), then=ProcessReward()).most == 4
    assert plan.estimate == Estimate(Usage(), Usage(), 2)


def test_an_engine_that_is_not_there_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"node 'a': engine 'big' must be one of .*\(generator, reward\); add it"):
        Plan(ENGINES, PLAN, node="a").sample(1, Sampling(), engine="big")


class Coarse(SimulatedEngine):
    """An engine that counts four bytes as a token, in prompts and in what it generates."""

    @property
    def capabilities(self) -> Capabilities:
        return super().capabilities.model_copy(update={"tokenizer": "coarse"})

    async def count(self, prompt: Prompt) -> int:
        return -(-await super().count(prompt) // 4)

    async def complete(self, request: Request) -> Completion:
        wide = request.sampling.model_copy(update={"max_tokens": 4 * request.sampling.max_tokens})
        done = await super().complete(replace(request, sampling=wide))
        counted = await self.count(request.prompt), -(-len(done.tokens) // 4)
        return replace(done, tokens=(), usage=self.meter.generation(*counted))


class Wordy(SimulatedEngine):
    """A judge whose prompts are three times as long, as with a long chat template."""

    async def count(self, prompt: Prompt) -> int:
        return await super().count(prompt) + 2 * await super().count(Prompt(prompt.messages))

    async def read(self, prompt: Prompt) -> Reading:
        return replace(await super().read(prompt), usage=self.meter.reading(await self.count(prompt)))


JUDGE = ProcessReward(engine="judge")
PART = Pipeline.series(Sample(n=3, max_tokens=6, engine="small"), Rank(verifier=JUDGE))
SHAPES = {
    "best_of_n": BestOfN(n=4, max_tokens=6, engine="small", verifier=JUDGE),
    "ranked": PART,
    "nested": Pipeline.series(PART, Vote()),
    "branches": Pipeline(
        nodes=(
            Node(name="a", strategy=PART),
            Node(name="b", strategy=Sample(n=2, max_tokens=24, engine="large")),
            Node(name="j", strategy=Rank(verifier=JUDGE), after=("a", "b")),
        )
    ),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("judge", [SimulatedEngine, Wordy])
@pytest.mark.parametrize("drawer", [SimulatedEngine, Coarse])
async def test_the_most_is_no_less_than_what_is_spent_whatever_the_engines(name, judge, drawer) -> None:
    spec = SimulatedSpec(world=World(seed=1, steps=2, branching=3))
    engines = {"small": drawer(spec), "large": SimulatedEngine(spec), "judge": judge(spec)}
    async with Runtime(engines) as here:
        for i in range(3):
            query = Query.ask(f"Problem {i}?")
            estimate = await here.estimate(SHAPES[name], query)
            result = await here.run(SHAPES[name], query)
            spent = zip(amounts(estimate.least), amounts(result.usage), amounts(estimate.most), strict=True)
            assert not result.failures or "judged none of" in result.reason
            assert all(least <= used <= most for least, used, most in spent)


def test_a_reading_never_exceeds_the_context_of_its_engine() -> None:
    engines = {"generator": ENGINES["generator"], "reward": Coarse(SimulatedSpec(context_length=100))}
    plan = Plan(engines, PLAN)
    plan.sample(1, Sampling(max_tokens=20), then=ProcessReward())
    assert plan.estimate.most.prompt_tokens == 10 + 100


def test_a_continuation_may_read_all_of_the_context_but_one_token() -> None:
    plan = Plan({"generator": SimulatedSpec(context_length=64).open()}, {"generator": 17})
    plan.sample(1, Sampling(max_tokens=30), after=60)
    assert plan.estimate.most.prompt_tokens == 63
    plan.sample(1, Sampling(max_tokens=30), reads=60)
    assert plan.estimate.most.prompt_tokens == 63 + 34


def test_the_most_is_never_below_the_least_even_where_nothing_fits_the_context() -> None:
    plan = Plan({"generator": SimulatedSpec(context_length=64).open()}, {"generator": 50})
    plan.sample(2, Sampling(max_tokens=1000))
    pairs = zip(amounts(plan.estimate.least), amounts(plan.estimate.most), strict=True)
    assert all(least <= most for least, most in pairs)
