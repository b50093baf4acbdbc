"""REBASE: who gets how many children, and what a tree costs."""

import itertools
import math
from random import Random

import numpy as np
import pytest
from making import Counting, context
from tabled import LastNumber, Tabled
from whole_numbers import Digits, now, stream

from ponder.orchestrator.types import Finish, Query
from ponder.strategies import Rebase
from ponder.strategies.allocation import resample, softmax
from ponder.strategies.level_search import Level, Node, search
from ponder.strategies.lineage import lineage
from ponder.strategies.tree_cost import worth_their_cost

JUDGE = Counting()
QUERY = Query.ask("Problem 3?")
RULES = ("largest_remainder", "systematic", "sequential_ceil", "multinomial")


def leaf(i: int, score: float | None, cost: float = 1.0, parent: Node[int] | None = None) -> Node[int]:
    return Node(0, i, score, False, i, cost, parent, i)


def counts(scores, room: int, seed: int = 0, **knobs) -> list[int]:
    nodes = [leaf(i, score) for i, score in enumerate(scores)]
    balanced = Rebase(verifier=JUDGE, **knobs).allocator()
    return balanced.allocate(Level(nodes, [], room, 1, np.random.default_rng(seed)))


def test_children_are_shared_by_the_softmax_of_the_scores() -> None:
    """exp(1) : exp(0) : exp(-1) = .665 : .245 : .090, of 16."""
    assert counts([0.4, 0.6, 0.2], 16) == [4, 11, 1]
    assert counts([0.4, 0.6, 0.2], 16, rounding="sequential_ceil") == [4, 11, 1]


@pytest.mark.parametrize("rounding", RULES)
def test_the_room_is_spent_exactly(rounding) -> None:
    random = Random(rounding)
    for seed in range(300):
        scores = [random.choice((None, random.random(), random.random() * 20)) for _ in range(random.randint(1, 20))]
        room = random.randint(1, 40)
        found = counts(scores, room, seed, rounding=rounding, keep=random.choice((1.0, 0.3)))
        assert sum(found) == room
        assert min(found) >= 0


@pytest.mark.parametrize("rounding", RULES)
def test_what_cannot_be_told_gets_nothing(rounding) -> None:
    for seed in range(20):
        found = counts([None, 0.1, None, 0.2], 8, seed, rounding=rounding)
        assert found[0] == found[2] == 0
    assert sum(counts([None, None], 8, rounding=rounding)) == 8
    assert counts([None, None], 8) == [4, 4]


def test_shares_are_rounded_by_the_rule() -> None:
    """Quotas 3.5, 1.61, 1.19 and 0.7 of 7: the deterministic rules differ, the random ones follow their scheme."""
    shares = [0.5, 0.23, 0.17, 0.1]
    scores = [math.log(share) for share in shares]
    exact = softmax(scores, 1.0)
    assert counts(scores, 7, balance=1.0) == [3, 2, 1, 1]
    assert counts(scores, 7, balance=1.0, rounding="sequential_ceil") == [4, 2, 1, 0]
    found = {}
    for rounding in ("systematic", "multinomial"):
        found[rounding] = [counts(scores, 7, seed, balance=1.0, rounding=rounding) for seed in range(40)]
        assert found[rounding] == [resample(7, exact, np.random.default_rng(seed), rounding) for seed in range(40)]
    assert len({tuple(each) for each in found["systematic"]}) > 1
    assert found["systematic"] != found["multinomial"]


def test_the_limits_of_the_balance() -> None:
    assert counts([0.1, 0.9, 0.5], 6, balance=0.0) == counts([0.1, 0.9, 0.5], 6, balance=1e-9) == [0, 6, 0]
    assert counts([0.1, 0.9, 0.9], 6, balance=0.0) == [0, 3, 3]
    assert counts([0.1, 0.9, 0.5], 6, balance=1e300) == [2, 2, 2]
    assert counts([0.1, 0.9, 0.5], 7, balance=1e300) == [2, 3, 2], "what is over goes to the best"


def test_logits_do_not_overflow() -> None:
    assert counts([20.0, -3.0], 16) == [16, 0]


def test_a_constant_added_to_all_scores_changes_nothing() -> None:
    scores = [0.5, 0.25, 0.75, 0.625]
    assert counts(scores, 16) == counts([score + 8 for score in scores], 16)


def test_only_the_best_part_is_kept() -> None:
    assert counts([0.1, 0.4, 0.3, 0.2], 8, keep=0.5, balance=1e300) == [0, 4, 4, 0]
    assert counts([0.1, 0.4, 0.3, 0.2], 8, keep=0.01) == [0, 8, 0, 0]
    assert sum(map(bool, counts([0.5] * 10, 10, keep=0.7))) == 7


def test_one_path_is_greedy() -> None:
    found = now(search(Digits(Random(0)), Rebase(verifier=JUDGE).allocator(), n=1, depth=3, rng=stream(0)))
    assert len(found.ended) == 1


async def test_paths_cut_at_the_last_step_are_kept_after_the_whole_ones() -> None:
    engine = Tabled({"": ["9\n", "1"], "9\n": ["8\n"]})
    found = await Rebase(n=2, max_steps=2, verifier=LastNumber()).run(QUERY, [], context(engine))
    assert [each.text for each in found] == ["1", "9\n8\n"]
    assert [each.finish for each in found] == [Finish.EOS, Finish.TOTAL_LENGTH]


async def test_a_path_cut_at_its_most_tokens_is_kept_and_takes_its_place() -> None:
    engine = Tabled({"": ["1234567", "1\n"], "1\n": ["5\n"], "5\n": ["6"]})
    found = await Rebase(n=2, max_tokens=6, step_tokens=6, verifier=LastNumber()).run(QUERY, [], context(engine))
    assert [(each.text, each.finish) for each in found] == [("1\n5\n6", Finish.EOS), ("123456", Finish.TOTAL_LENGTH)]
    assert engine.asked == ["", "", "1\n", "1\n5\n"]


def tree() -> list[Node[int]]:
    """Two dear branches, one of two leaves and one of one, and a cheap one."""
    trunks = [leaf(0, 0.5, 10.0), leaf(1, 0.5, 10.0), leaf(2, 0.5, 1.0)]
    owners = [trunks[0], trunks[0], trunks[1], trunks[2]]
    return [leaf(3 + i, 0.5, 1.0, owner) for i, owner in enumerate(owners)]


def value(leaves, shares, price, kept) -> float:
    cost = [math.fsum(n.cost for n in {n for i in of for n in lineage(leaves[i])}) for of in (kept, range(len(leaves)))]
    return math.fsum(shares[i] for i in kept) - price * cost[0] / cost[1]


def test_leaves_that_share_their_beginning_are_worth_it_together() -> None:
    """Alone each leaf of the first branch is worth less than its trunk; both together pay for it."""
    assert worth_their_cost(tree(), [0.3, 0.3, 0.3, 0.1], 1.0) == [0, 1, 3]
    assert worth_their_cost(tree(), [0.3, 0.1, 0.3, 0.3], 1.0) == [3]
    assert worth_their_cost(tree(), [0.25] * 4, 0.01) == [0, 1, 2, 3]


def test_where_nothing_is_worth_its_cost_the_first_is_kept() -> None:
    assert worth_their_cost(tree(), [0.25] * 4, 100.0) == [0]
    assert worth_their_cost([leaf(0, 0.5, 0.0), leaf(1, 0.5, 0.0)], [0.5, 0.5], 9.0) == [0, 1]


def test_the_set_kept_is_the_best_of_all_sets() -> None:
    random = Random(7)
    for _ in range(200):
        nodes = [leaf(i, 0.5, random.randint(1, 9)) for i in range(2)]
        nodes += [leaf(2 + i, 0.5, random.randint(1, 9), random.choice(nodes[:2])) for i in range(3)]
        leaves = [leaf(5 + i, 0.5, random.randint(1, 9), random.choice(nodes[2:])) for i in range(5)]
        parts = [random.random() for _ in leaves]
        shares, price = [part / sum(parts) for part in parts], random.random() * 2
        sets = [kept for k in range(1, 6) for kept in itertools.combinations(range(5), k)]
        best = max(value(leaves, shares, price, kept) for kept in sets)
        found = worth_their_cost(leaves, shares, price)
        if best > 0:
            assert math.isclose(value(leaves, shares, price, found), best)
        else:
            assert found == [0]


def test_dear_nodes_are_dropped_before_the_room_is_shared() -> None:
    nodes = tree()
    balanced = Rebase(balance=1e300, tree_cost=1.0, verifier=JUDGE).allocator()
    assert balanced.allocate(Level(nodes, [], 6, 2, np.random.default_rng(0))) == [2, 2, 0, 2]
    free = Rebase(balance=1e300, verifier=JUDGE).allocator()
    assert free.allocate(Level(nodes, [], 6, 2, np.random.default_rng(0))) == [2, 1, 1, 2]
