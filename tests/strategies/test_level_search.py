"""The kernel of stepwise search, on whole numbers that grow by a digit: no text, no tokens."""

import asyncio
import math
from collections import Counter
from random import Random

import numpy as np
import pytest
from making import Counting
from watched_allocator import Watched
from whole_numbers import LAW, SCORES, Digits, now, stream, whole_numbers, within

from ponder.strategies import BeamSearch, ParticleFilter, Rebase
from ponder.strategies.level_search import Node, best_first, search
from ponder.strategies.lineage import lineage

JUDGE = Counting()
KNOBS = {"n": 4, "max_steps": 3, "verifier": JUDGE}
EVERY = {
    "beam": BeamSearch(beam_width=2, **KNOBS),
    "rebase": Rebase(**KNOBS),
    "rebase at random": Rebase(rounding="systematic", **KNOBS),
    "particles": ParticleFilter(threshold=1.0, **KNOBS),
}


@pytest.mark.parametrize("strategy", EVERY.values(), ids=EVERY)
def test_numbers_are_searched_as_texts_are(strategy) -> None:
    """Width, ends and lineages hold whatever the allocator, and no path that has ended goes on or is there twice."""
    random = Random(0)
    for seed in range(200):
        domain, allocator = Digits(random), Watched(strategy.allocator())
        found = now(search(domain, allocator, n=4, depth=3, rng=stream(seed)))
        assert domain.asked[0] == [(None, 4)]
        assert all(parent in LAW for asked in domain.asked[1:] for parent, _ in asked)
        assert len(found.ended) == len({id(node) for node in found.ended}) <= 4
        assert all(node.is_terminal and node.state not in LAW for node in found.ended)
        ended = 0
        for level, counts in zip(allocator.levels, allocator.counts, strict=True):
            ended += len(level.ended)
            assert level.room == 4 - ended
            assert sum(counts) == level.room
            assert len(level.nodes) <= level.room
        for node in (*found.ended, *found.unfinished):
            digits = [each.state for each in reversed([*lineage(node)])]
            assert all(child // 10 == parent for parent, child in zip([0, *digits], digits, strict=False))


def test_the_best_number_is_found_by_its_scores() -> None:
    """A greedy search goes by 2, the best first digit, though 14 is the best number."""
    greedy = BeamSearch(n=16, beam_width=16, max_steps=3, verifier=JUDGE)
    found = now(search(Digits(Random(1)), greedy.allocator(), n=16, depth=3, rng=stream(0)))
    assert {node.state // 100 for node in found.ended if node.state > 99} == {2}
    assert max(node.score for node in found.ended) == SCORES[256]


@pytest.mark.parametrize("depth", [1, 2])
def test_paths_cut_by_the_depth_are_left_over(depth) -> None:
    found = now(search(Digits(Random(2)), EVERY["rebase"].allocator(), n=8, depth=depth, rng=stream(0)))
    assert found.unfinished
    assert all(sum(1 for _ in lineage(node)) == depth for node in found.unfinished)
    assert len(found.ended) + len(found.unfinished) == 8


def test_a_node_whose_children_are_lost_stays() -> None:
    class Barren(Digits):
        async def extend(self, parents):
            return [[] if parent else [1, 2] for parent, _ in parents]

    found = now(search(Barren(Random(0)), Rebase(balance=9, **KNOBS).allocator(), n=2, depth=3, rng=stream(0)))
    assert [node.state for node in found.unfinished] == [1, 2]
    assert found.ended == []


def test_lost_children_are_made_up_for_on_the_next_level() -> None:
    for seed in range(50):
        allocator = Watched(EVERY["rebase"].allocator())
        now(search(Digits(Random(seed), lost=0.5), allocator, n=8, depth=3, rng=stream(seed)))
        ended = 0
        for level, counts in zip(allocator.levels, allocator.counts, strict=True):
            ended += len(level.ended)
            assert sum(counts) == 8 - ended


def test_nothing_goes_on_after_the_end_of_the_run() -> None:
    class Ending(Digits):
        async def extend(self, parents):
            self.is_stopped = len(self.asked) == 1
            return await super().extend(parents)

    domain = Ending(Random(0))
    found = now(search(domain, EVERY["beam"].allocator(), n=4, depth=3, rng=stream(0)))
    assert len(domain.asked) == 2
    assert len(found.ended) + len(found.unfinished) == 4


def node(score: float | None, cost: float = 1.0, index: int = 0, key: int | None = None) -> Node[int]:
    return Node(0, index, score, False, index if key is None else key, cost, None, index)


def test_the_best_is_first_by_score_then_cost_then_age_and_never_by_what_cannot_be_told() -> None:
    nodes = [node(None, index=0), node(0.2, 3, 1), node(0.2, 2, 2), node(0.2, 2, 3), node(-1.0, 1, 4), node(0.9, 9, 5)]
    assert best_first(nodes) == [5, 2, 3, 1, 4, 0]
    assert best_first([node(0.1, 1, 0, 7), node(0.3, 1, 1, 7), node(0.2, 1, 2, 8)], unique=True) == [1, 2]


@pytest.mark.parametrize(
    "strategy",
    [
        ParticleFilter(threshold=1.0, resampling="multinomial", **KNOBS),
        ParticleFilter(threshold=1.0, resampling="stratified", **KNOBS),
        Rebase(balance=1e300, rounding="systematic", **KNOBS),
        Rebase(balance=1e300, rounding="multinomial", **KNOBS),
        BeamSearch(beam_width=1, unique=False, **KNOBS),
    ],
    ids=["particles", "stratified", "rebase", "rebase at random", "beam"],
)
def test_a_score_that_tells_nothing_leaves_the_law_of_the_model(strategy) -> None:
    """Of all paths that end in 10,000 searches of 4, each number has the share that it has among single draws."""
    constant = dict.fromkeys(SCORES, 0.5)
    random, rng, runs = Random(3), stream(3), 10_000
    shares = np.zeros((runs, len(whole_numbers())))
    column = {number: i for i, number in enumerate(whole_numbers())}
    for run in range(runs):
        found = now(search(Digits(random, constant), strategy.allocator(), n=4, depth=3, rng=rng))
        for path in found.ended:
            shares[run, column[path.state]] += 1 / 4
    assert math.isclose(shares.sum(), runs)
    error = shares.std(axis=0) / math.sqrt(runs)
    assert np.all(abs(shares.mean(axis=0) - list(whole_numbers().values())) <= 4.5 * error)


def test_a_path_drawn_alone_follows_the_law_of_the_model() -> None:
    alone = ParticleFilter(n=1, max_steps=3, verifier=JUDGE)
    random, rng, drawn = Random(4), stream(4), Counter[int]()
    for _ in range(5000):
        found = now(search(Digits(random), alone.allocator(), n=1, depth=3, rng=rng))
        drawn[found.ended[0].state] += 1
    assert within(drawn, whole_numbers())


def test_a_search_can_be_waited_for() -> None:
    class Slow(Digits):
        async def extend(self, parents):
            await asyncio.sleep(0)
            return await super().extend(parents)

    work = search(Slow(Random(0)), EVERY["beam"].allocator(), n=4, depth=3, rng=stream(0))
    assert len(asyncio.run(work).ended) == 4
