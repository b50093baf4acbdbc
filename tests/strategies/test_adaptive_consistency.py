"""Adaptive-Consistency: when the leader is sure enough, and that what arrives first has no more say."""

import math
from collections import Counter
from typing import Literal

import pytest
from making import context
from scripted_engines import Dice, Scripted

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.types import Query
from ponder.strategies import AdaptiveConsistency
from ponder.strategies.leader import beta_confidence

QUERY = Query.ask("Which number?")


async def answers(texts: list[str | None], budget: Budget = Budget(), **knobs: object) -> list[str | None]:
    strategy = AdaptiveConsistency.model_validate({"n": len(texts), **knobs})
    return [each.answer for each in await strategy.run(QUERY, [], context(Scripted(texts), budget=budget))]


@pytest.mark.parametrize(("size", "drawn"), [(1, 4), (2, 4), (3, 6), (4, 4), (40, 40)])
async def test_four_that_agree_are_enough(size: int, drawn: int) -> None:
    assert await answers(["7"] * 40, round=size) == ["7"] * drawn
    assert await answers(["7"] * 40, round=size, criterion="dirichlet") == ["7"] * drawn


async def test_all_at_once_four_that_agree_are_enough() -> None:
    assert await answers(["7"] * 40, launch="all") == ["7"] * 4


@pytest.mark.parametrize("launch", ["rounds", "all"])
async def test_a_split_vote_never_stops_it(launch: str) -> None:
    assert len(await answers(["1", "2"] * 6, launch=launch, round=1)) == 12


@pytest.mark.parametrize("launch", ["rounds", "all"])
async def test_answers_that_cannot_be_read_neither_agree_nor_stop(launch: str) -> None:
    assert await answers(["none"] * 9, launch=launch, round=1) == [None] * 9
    texts: list[str | None] = ["none", "7", "none", "7", "7", "none", "7", "9", "9"]
    assert await answers(texts, launch=launch, round=1) == ["7"] * 4 + [None] * 3


async def test_the_dirichlet_law_minds_the_other_answers() -> None:
    texts: list[str | None] = ["1", "2", "3", *["7"] * 9]
    assert len(await answers(texts, round=1, threshold=0.9)) == 8
    assert len(await answers(texts, round=1, threshold=0.9, criterion="dirichlet")) == 9


async def test_votes_count_in_the_order_of_launch() -> None:
    slow_first = Scripted(["7"] * 4 + ["9"] * 8, waits=[0.02] * 4 + [0.0] * 8)
    ctx = context(slow_first)
    found = await AdaptiveConsistency(n=12, launch="all").run(QUERY, [], ctx)
    assert [each.answer for each in found] == ["7"] * 4


async def test_what_is_cancelled_is_charged_in_full() -> None:
    engine = Scripted(["7"] * 10, waits=[0.0] * 4 + [5.0] * 6)
    ctx = context(engine, budget=Budget(calls=99, completion_tokens=999))
    found = await AdaptiveConsistency(n=10, launch="all", max_tokens=50).run(QUERY, [], ctx)
    assert len(found) == 4
    assert ctx.room() == Budget(calls=99 - 10, completion_tokens=999 - 4 * 2 - 6 * 50)


async def test_both_ways_to_launch_come_to_the_same() -> None:
    engine, query = (
        SimulatedSpec(world=World(seed=1, steps=2, branching=3, wrong_answers=2)).open(),
        Query.ask("Problem 3?"),
    )
    for seed in range(20):
        in_turn = await AdaptiveConsistency(n=12, round=1).run(query, [], context(engine, seed=seed))
        at_once = await AdaptiveConsistency(n=12, launch="all").run(query, [], context(engine, seed=seed))
        assert [each.text for each in in_turn] == [each.text for each in at_once]


@pytest.mark.parametrize("launch", ["rounds", "all"])
async def test_a_draw_that_is_lost_costs_one_vote(launch: str) -> None:
    assert await answers(["7", None, "7", "7", "7", "9"], launch=launch, round=1) == ["7"] * 4


@pytest.mark.parametrize("launch", ["rounds", "all"])
async def test_a_budget_that_ends_it_leaves_the_vote_so_far(launch: str) -> None:
    found = await answers(["1", "2", "2", "3", "3"], Budget(calls=3), launch=launch, round=2)
    assert found == ["2", "2", "1"]


@pytest.mark.parametrize("launch", ["rounds", "all"])
async def test_it_stops_when_the_criterion_says_so_and_not_before(launch: Literal["rounds", "all"]) -> None:
    engine = Dice({"1": 0.6, "2": 0.3, "3": 0.1})
    for seed in range(40):
        strategy = AdaptiveConsistency(n=20, round=1, launch=launch)
        found = sorted(await strategy.run(QUERY, [], context(engine, seed=seed)), key=lambda each: each.index)
        sure = [
            beta_confidence(tuple(Counter(each.answer for each in found[:count]).values())) >= 0.95
            for count in range(1, len(found) + 1)
        ]
        assert not any(sure[:-1])
        assert sure[-1] or len(found) == 20


async def test_a_clear_question_costs_less_than_an_open_one() -> None:
    async def mean(shares: dict[str, float]) -> float:
        runs = [await AdaptiveConsistency().run(QUERY, [], context(Dice(shares), seed=seed)) for seed in range(60)]
        return math.fsum(map(len, runs)) / len(runs)

    assert await mean({"1": 1.0}) == 4 < await mean({"1": 0.8, "2": 0.2}) < await mean({"1": 0.5, "2": 0.5})


def test_it_is_speculative_where_it_launches_all() -> None:
    assert AdaptiveConsistency(launch="all").is_speculative
    assert not AdaptiveConsistency().is_speculative
