"""Beam search: who goes on, how the width shrinks, and what it comes down to at its limits."""

from random import Random

import numpy as np
import pytest
from making import Counting, context
from tabled import LastNumber, Tabled
from whole_numbers import Digits, now, stream

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.types import Query
from ponder.strategies import BeamSearch
from ponder.strategies.level_search import Level, Node, search

JUDGE = Counting()
QUERY = Query.ask("Problem 3?")
ENGINE = SimulatedSpec(world=World(seed=1, steps=2, branching=3)).open()
STEPS = {"max_tokens": 60, "step_tokens": 20, "max_steps": 4}


def level(scores, room: int, keys=None, ended=()) -> Level[int]:
    keys = keys or range(len(scores))
    nodes = [Node(0, i, s, False, key, 1.0, None, i) for i, (s, key) in enumerate(zip(scores, keys, strict=True))]
    return Level(nodes, ended, room, 1, np.random.default_rng(0))


def counts(scores, room: int, beam_width: int, unique: bool = True, keys=None) -> list[int]:
    beam = BeamSearch(beam_width=beam_width, unique=unique, verifier=JUDGE).allocator()
    return beam.allocate(level(scores, room, keys))


def test_the_best_part_goes_on_and_shares_the_room() -> None:
    assert counts([0.1, 0.9, 0.5, 0.7], 4, 2) == [0, 2, 0, 2]
    assert counts([0.1, 0.9, 0.5, 0.7], 3, 2) == [0, 2, 0, 1]
    assert counts([0.1, 0.9, 0.5, 0.7], 4, 4) == [0, 4, 0, 0]


def test_a_width_smaller_than_the_beam_keeps_one_not_all() -> None:
    """Keeping ``n // beam_width`` of them keeps none, or by its negative everything."""
    assert counts([0.1, 0.9, 0.5], 3, 8) == [0, 3, 0]


def test_what_cannot_be_told_goes_on_last() -> None:
    assert counts([None, 0.1, None, 0.2], 4, 2) == [0, 2, 0, 2]
    assert counts([None, 0.1, None, None], 4, 4) == [0, 4, 0, 0]
    assert counts([None, None, None, None], 4, 2) == [2, 2, 0, 0]


def test_equal_scores_go_by_age() -> None:
    assert counts([0.5] * 4, 4, 2) == [2, 2, 0, 0]


def test_equal_nodes_count_as_one() -> None:
    assert counts([0.9, 0.9, 0.5, 0.4], 4, 2, keys=[7, 7, 8, 9]) == [2, 0, 2, 0]
    assert counts([0.9, 0.9, 0.5, 0.4], 4, 2, unique=False, keys=[7, 7, 8, 9]) == [2, 2, 0, 0]
    assert counts([0.9] * 4, 4, 1, keys=[7] * 4) == [4, 0, 0, 0]


async def test_a_width_of_one_is_independent_paths() -> None:
    strategy = BeamSearch(n=6, beam_width=1, unique=False, verifier=JUDGE, **STEPS)
    found = await strategy.run(QUERY, [], context(ENGINE))
    beginnings = [next(each.path()) for each in found]
    assert sorted(each.index for each in beginnings) == list(range(6))


async def test_a_width_of_all_is_a_greedy_search() -> None:
    """One node goes on at each level: the best of `n` proposals."""
    engine = Tabled({"": ["1\n", "3\n", "2\n"], "3\n": ["4\n", "6\n", "5\n"], "6\n": ["7", "9", "8"]})
    found = await BeamSearch(n=3, beam_width=3, verifier=LastNumber()).run(QUERY, [], context(engine))
    assert [each.text for each in found] == ["3\n6\n9", "3\n6\n8", "3\n6\n7"]


async def test_without_temperature_all_children_are_one() -> None:
    strategy = BeamSearch(n=4, beam_width=2, temperature=0.0, verifier=JUDGE, **STEPS)
    found = await strategy.run(QUERY, [], context(ENGINE))
    assert len({each.text for each in found}) == 1
    levels = [{node.index for node in path} for path in zip(*(each.path() for each in found), strict=True)]
    assert [len(each) for each in levels] == [1, 1, 1, 4], "the first of the equal children goes on alone"


async def test_one_level_is_a_best_of_n() -> None:
    found = await BeamSearch(n=4, max_steps=1, verifier=LastNumber()).run(
        QUERY, [], context(Tabled({"": ["3", "7", "5", "none"]}))
    )
    assert [each.text for each in found] == ["7", "5", "3", "none"]


def test_the_width_shrinks_as_paths_end_and_is_never_filled_up() -> None:
    """A width that is filled up again ends far more than `n` paths, or copies of them."""
    ended = set[int]()
    for seed in range(200):
        beam = BeamSearch(n=4, beam_width=2, verifier=JUDGE).allocator()
        domain = Digits(Random(seed))
        found = now(search(domain, beam, n=4, depth=3, rng=stream(seed)))
        drawn = [sum(count for _, count in asked) for asked in domain.asked]
        assert drawn == sorted(drawn, reverse=True)
        assert len(found.ended) == 4
        assert len({id(each) for each in found.ended}) == 4
        ended.add(len(drawn))
    assert ended == {2, 3}, "paths that end early leave the others to go on"


async def test_paths_that_end_early_do_not_crowd_out_better_ones() -> None:
    """Of a width that is filled up again, the first two that end are both short."""
    engine = Tabled({"": ["1", "2\n"], "2\n": ["8\n"], "8\n": ["9"]})
    found = await BeamSearch(n=2, beam_width=2, verifier=LastNumber()).run(QUERY, [], context(engine))
    assert [each.text for each in found] == ["2\n8\n9", "1"]


@pytest.mark.parametrize("tokens", range(60, 700, 40))
async def test_a_budget_that_ends_within_a_level_leaves_what_was_drawn(tokens) -> None:
    ctx = context(ENGINE, budget=Budget(total_tokens=tokens))
    found = await BeamSearch(n=4, beam_width=2, verifier=JUDGE, **STEPS).run(QUERY, [], ctx)
    assert found
    assert ctx.room().total_tokens >= 0
    whole = [each for each in found if each.finish.is_complete]
    assert found[: len(whole)] == whole
