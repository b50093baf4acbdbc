"""The tree of a Monte Carlo tree search: exact scores, invariants, and where it must end."""

import math
from collections.abc import Iterator
from random import Random

import pytest

from ponder.strategies.lineage import lineage
from ponder.strategies.search_tree import Branch, Outcome, SearchTree, puct, uct

C = math.sqrt(2)


def tree(rule=uct, exploration=C) -> SearchTree[str]:
    return SearchTree("", rule, exploration)


def grown(values: list[float], **knobs) -> SearchTree[str]:
    """A tree whose root has one child a value, named by their place."""
    found = tree(**knobs)
    found.tell(found.ask(), [Outcome(str(i), value) for i, value in enumerate(values)])
    return found


def everyone(node: Branch[str]) -> Iterator[Branch[str]]:
    yield node
    for child in node.children:
        yield from everyone(child)


def values_below(node: Branch[str], own: dict[str, float]) -> list[float]:
    return [own[each.state] for each in everyone(node) if each.state]


def depth(node: Branch[str]) -> int:
    return sum(1 for _ in lineage(node)) - 1


def test_the_rules_have_exact_values() -> None:
    child = Branch("a", prior=0.25, visits=4, total=3.0)
    assert uct(child, 10, C) == 0.75 + C * math.sqrt(math.log(10) / 4)
    assert puct(child, 9, 2.0) == 0.75 + 2 * 0.25 * 3 / 5


def test_a_pending_expansion_counts_as_a_visit_worth_nothing() -> None:
    child = Branch("a", visits=3, total=3.0, pending=1)
    assert child.value == 0.75
    assert uct(child, 10, 1.0) == 0.75 + math.sqrt(math.log(10) / 4)
    assert puct(child, 9, 1.0) == 0.75 + 3 / 5


@pytest.mark.parametrize("rule", [uct, puct])
@pytest.mark.parametrize("at_once", [1, 3])
def test_invariants_hold_after_every_tell(rule, at_once: int) -> None:
    rng, own, search = Random(3), {}, tree(rule)
    for _ in range(60):
        leaves = [leaf for _ in range(at_once) if (leaf := search.ask()) is not None]
        for leaf in leaves:
            children = [Outcome(f"{leaf.state}{i}", rng.random(), is_terminal=rng.random() < 0.2) for i in "abc"]
            own |= {each.state: each.value for each in children}
            search.tell(leaf, children)
        for node in everyone(search.root):
            assert node.pending == 0
            assert node.visits == (node.parent is not None) + sum(child.visits for child in node.children)
            assert node.value == pytest.approx(sum(seen := values_below(node, own)) / max(1, len(seen)))
            assert node.leaves == sum(child.leaves for child in node.children) or not node.children


def test_the_best_child_is_selected_and_the_first_of_equals() -> None:
    assert grown([0.1, 0.9, 0.5]).ask().state == "1"
    assert grown([0.4, 0.4, 0.4]).ask().state == "0"
    assert grown([0.0, 0.0]).ask().state == "0"


def test_without_exploration_the_search_is_greedy_and_with_much_it_goes_in_turn() -> None:
    for exploration, states in ((0.0, {"1"}), (1000.0, {"0", "1", "2"})):
        search = grown([0.1, 0.9, 0.5], exploration=exploration)
        first = []
        for _ in range(3):
            leaf = search.ask()
            first.append(leaf.state[0])
            search.tell(leaf, [Outcome(leaf.state + "x", 0.9)])
        assert set(first) == states


def test_a_likelier_step_is_tried_first_under_puct() -> None:
    search = tree(puct)
    search.tell(search.ask(), [Outcome("rare", 0.5, prior=0.1), Outcome("usual", 0.5, prior=0.9)])
    assert search.ask().state == "usual"


def test_asks_at_once_go_apart() -> None:
    search = grown([0.9, 0.89])
    assert [search.ask().state, search.ask().state] == ["0", "1"]
    assert search.ask() is None


def test_virtual_loss_leads_away_from_a_subtree_that_is_being_explored() -> None:
    search = grown([0.9, 0.8], exploration=0.0)
    search.tell(search.ask(), [Outcome("0a", 0.9), Outcome("0b", 0.9)])
    assert search.ask().state == "0a"
    assert search.ask().state == "1"


def test_told_in_any_order_the_statistics_are_the_same() -> None:
    found = []
    for order in ((0, 1), (1, 0)):
        search = grown([0.9, 0.2])
        leaves = [search.ask(), search.ask()]
        for i in order:
            search.tell(leaves[i], [Outcome(leaves[i].state + "x", 0.25 * i)])
        found.append([(node.state, node.visits, node.total, node.leaves) for node in everyone(search.root)])
    assert found[0] == found[1]


def test_an_explored_tree_ends_the_search_after_one_ask_a_node() -> None:
    """A tree of three levels of two: a search that selects terminal nodes again would never end."""
    search, asked = tree(), []
    while (leaf := search.ask()) is not None:
        asked.append(leaf.state)
        is_terminal = depth(leaf) == 2
        search.tell(leaf, [Outcome(leaf.state + i, 1.0 if is_terminal else 0.1, is_terminal=is_terminal) for i in "ab"])
    assert sorted(asked) == ["", "a", "aa", "ab", "b", "ba", "bb"]
    assert search.root.visits == 14
    assert search.root.leaves == 0


def test_an_expansion_that_failed_is_not_asked_for_again() -> None:
    search = grown([0.9, 0.1])
    search.tell(search.ask(), [])
    assert search.ask().state == "1"
    search = tree()
    search.tell(search.ask(), [])
    assert search.ask() is None
    assert search.root.value == 0.0


def test_a_terminal_child_is_never_asked_for() -> None:
    search = tree()
    search.tell(search.ask(), [Outcome("end", 1.0, is_terminal=True), Outcome("on", 0.0)])
    assert search.ask().state == "on"
    assert search.ask() is None


def test_most_visits_go_where_the_reward_is() -> None:
    rng, search = Random(0), tree()
    for _ in range(300):
        leaf = search.ask()
        mean = 0.8 if leaf.state.startswith("b") else 0.3
        search.tell(leaf, [Outcome(leaf.state + i, min(1.0, mean * 2 * rng.random())) for i in "ab"])
    a, b = search.root.children
    assert b.visits > 2 * a.visits > 20
