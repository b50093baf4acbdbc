"""Plain sampling: as many as asked, in the order of their index, by the law of the model."""

import math
from collections import Counter

import pytest
from making import context, indices
from pydantic import ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Finish, Query
from ponder.strategies import STRATEGIES, Sample

WORLD = World(seed=1, steps=2, branching=3)
ENGINE = SimulatedSpec(world=WORLD).open()
QUERY = Query.ask("Problem 3?")


async def test_draws_come_in_the_order_of_their_index() -> None:
    drawn = await Sample(n=6).run(QUERY, [], context(ENGINE))
    assert indices(drawn) == [0, 1, 2, 3, 4, 5]
    assert {each.finish for each in drawn} == {Finish.EOS}


async def test_fewer_draws_are_the_first_of_more() -> None:
    four = await Sample(n=4).run(QUERY, [], context(ENGINE))
    assert four == (await Sample(n=16).run(QUERY, [], context(ENGINE)))[:4]


async def test_greedy_draws_are_all_alike() -> None:
    drawn = await Sample(n=3, temperature=0).run(QUERY, [], context(ENGINE))
    best = max(WORLD.paths(QUERY, temperature=0.01), key=lambda path: path.probability)
    assert [each.text for each in drawn] == [best.text] * 3


async def test_draws_follow_the_law_of_the_model() -> None:
    n = 4000
    found = Counter(each.text for each in await Sample(n=n).run(QUERY, [], context(ENGINE, seed=7)))
    for path in WORLD.paths(QUERY):
        sigma = math.sqrt(n * path.probability * (1 - path.probability))
        assert abs(found[path.text] - n * path.probability) <= 4 * sigma + 1


async def test_a_stop_string_ends_a_candidate_and_stays_in_it() -> None:
    drawn = await Sample(n=2, stop=("answer:",)).run(QUERY, [], context(ENGINE))
    assert all(each.text.endswith("answer:") and each.finish == Finish.STOP for each in drawn)


async def test_a_candidate_cut_by_its_length_says_so() -> None:
    drawn = await Sample(n=2, max_tokens=7).run(QUERY, [], context(ENGINE))
    assert all(each.finish == Finish.TOTAL_LENGTH and each.generated_tokens == 7 for each in drawn)


async def test_the_budget_cuts_the_number_of_draws() -> None:
    drawn = await Sample(n=10, max_tokens=40).run(QUERY, [], context(ENGINE, budget=Budget(calls=3)))
    assert indices(drawn) == [0, 1, 2]


@pytest.mark.parametrize(
    "knobs",
    [{"n": 0}, {"n": 10**9}, {"temperature": math.nan}, {"temperature": -1}, {"top_p": 0}, {"max_tokens": 0}, {"m": 1}],
)
def test_knobs_out_of_range_are_refused(knobs) -> None:
    with pytest.raises(ValidationError):
        Sample(**knobs)
    with pytest.raises(Exception, match=f"strategy 'sample' is not valid: {next(iter(knobs))}: "):
        STRATEGIES.build({"kind": "sample", **knobs})


def test_sampling_comes_first() -> None:
    with pytest.raises(ShapeError, match=r"must come first.*; move it to the start of its branch"):
        Sample().infer(Shape(1, 1), Plan())
    assert Sample(n=5, max_tokens=9).infer(Shape(), Plan()) == Shape(
        fewest=1, most=5, longest=9, drawn_by=frozenset({"generator"})
    )
