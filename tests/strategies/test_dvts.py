"""DVTS: trees that never meet, and what comes back of each."""

from random import Random

import numpy as np
import pytest
from making import Counting, context
from tabled import LastNumber, Tabled
from whole_numbers import SCORES, Digits, now, stream

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Finish, Query
from ponder.strategies import DVTS, BeamSearch
from ponder.strategies.level_search import Level, Node, search

JUDGE = Counting()
QUERY = Query.ask("Problem 3?")


def node(i: int, score: float | None, root: int, is_terminal: bool = False) -> Node[int]:
    return Node(0, i, score, is_terminal, i, 1.0, None, root)


def allocated(nodes, ended=(), beam_width: int = 2, n: int = 4) -> list[int]:
    trees = DVTS(n=n, beam_width=beam_width, verifier=JUDGE).allocator()
    return trees.allocate(Level(nodes, ended, n - len(ended), 1, np.random.default_rng(0)))


def test_nodes_are_compared_within_their_tree() -> None:
    """The two best nodes are of one tree; the other tree's best goes on all the same."""
    assert allocated([node(0, 0.9, 0), node(1, 0.8, 1), node(2, 0.1, 2), node(3, 0.2, 3)]) == [2, 0, 0, 2]


def test_what_cannot_be_told_is_never_the_best() -> None:
    assert allocated([node(0, None, 0), node(1, 0.0, 1), node(2, None, 2), node(3, None, 3)]) == [0, 2, 2, 0]


def test_a_tree_ends_with_its_best_child() -> None:
    ended = [node(1, 0.9, 1, True)]
    assert allocated([node(0, 0.8, 0), node(2, 0.1, 2), node(3, 0.2, 3)], ended) == [0, 0, 2]


def test_a_worse_child_that_has_ended_takes_one_out_of_the_width() -> None:
    ended = [node(1, 0.7, 1, True)]
    assert allocated([node(0, 0.8, 0), node(2, 0.1, 2), node(3, 0.2, 3)], ended) == [1, 0, 2]


def test_an_uneven_number_is_refused() -> None:
    with pytest.raises(UsageError, match="multiple of beam_width 4, got 6; take 8"):
        DVTS(n=6, verifier=JUDGE)


async def test_children_that_have_not_ended_are_no_answers() -> None:
    """Of the last expansion the best has ended, so has one brother; the third stopped at the end of a step."""
    engine = Tabled({"": ["1\n", "2\n", "3\n"], "3\n": ["9", "4\n", "5"]})
    found = await DVTS(n=3, beam_width=3, verifier=LastNumber()).run(QUERY, [], context(engine))
    assert [each.text for each in found] == ["3\n9", "3\n5"]
    assert all(each.finish is Finish.EOS for each in found)


async def test_no_end_at_all_gives_the_partial_paths() -> None:
    engine = Tabled({"": ["1\n", "2\n"], "2\n": ["1\n", "2\n"]})
    found = await DVTS(n=2, beam_width=2, max_steps=3, verifier=LastNumber()).run(QUERY, [], context(engine))
    assert [each.text for each in found] == ["2\n2\n2\n", "2\n2\n1\n"]
    assert {each.finish for each in found} == {Finish.TOTAL_LENGTH}


async def test_trees_of_width_one_are_independent_paths() -> None:
    engine = Tabled({"": ["1\n", "2\n", "3\n"], "\n": ["7", "8", "9"]})
    found = await DVTS(n=3, beam_width=1, verifier=LastNumber()).run(QUERY, [], context(engine))
    assert sorted(next(each.path()).piece for each in found) == ["1\n", "2\n", "3\n"]


def test_one_tree_is_a_beam_until_one_of_its_children_ends() -> None:
    """From there on the beam spends what is left of its width, and the tree may be at its end."""
    differ = 0
    for seed in range(100):
        asked = []
        for strategy in (DVTS(n=4, beam_width=4, verifier=JUDGE), BeamSearch(n=4, beam_width=4, verifier=JUDGE)):
            domain = Digits(Random(seed), {**SCORES, 24: 0.65})
            now(search(domain, strategy.allocator(), n=4, depth=3, rng=stream(0)))
            asked.append(domain.asked)
        tree, beam = asked
        common = min(len(tree), len(beam))
        assert tree[:common] == beam[:common]
        assert all(sum(count for _, count in level) < 4 for level in beam[common:])
        differ += len(tree) < len(beam)
    assert 0 < differ < 100
