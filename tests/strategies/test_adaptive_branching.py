"""Adaptive branching: who learns which reward, when a branch is made or followed, and that it always ends."""

from collections.abc import Iterator

import numpy as np
import pytest

from ponder.strategies.adaptive_branching import AdaptiveBranching, Answer
from ponder.strategies.posteriors import Beta, Gaussian


def search(seed: int = 0, arms: int = 1, prior: Gaussian | Beta = Gaussian()) -> AdaptiveBranching[str]:
    return AdaptiveBranching("", arms, prior, np.random.default_rng(seed))


def everyone(node: Answer[str]) -> Iterator[Answer[str]]:
    yield node
    for child in node.children:
        yield from everyone(child)


def observed(prior: Gaussian | Beta, rewards: list[float]) -> Gaussian | Beta:
    for reward in rewards:
        prior = prior.observed(reward)
    return prior


def test_a_reward_reaches_exactly_those_it_is_for() -> None:
    """The child, its parent's gen, and above that each cont and each child on the way."""
    tree, prior = search(), Gaussian()
    one = tree.tell(tree.root, 0, "1", 0.2)
    two = tree.tell(one, 0, "1.1", 0.6)
    tree.tell(two, 0, "1.1.1", 0.9)
    tree.tell(tree.root, 0, "2", 0.4)
    assert tree.root.gen == observed(prior, [0.2, 0.4])
    assert tree.root.cont == observed(prior, [0.6, 0.9])
    assert one.worth == observed(prior, [0.2, 0.6, 0.9])
    assert (one.gen, one.cont) == (observed(prior, [0.6]), observed(prior, [0.9]))
    assert two.worth == observed(prior, [0.6, 0.9])
    assert (two.gen, two.cont) == (observed(prior, [0.9]), prior)


@pytest.mark.parametrize("prior", [Gaussian(), Beta()], ids=["gaussian", "beta"])
def test_the_tree_counts_every_answer_once(prior: Gaussian | Beta) -> None:
    tree, rng = search(prior=prior), np.random.default_rng(1)
    for i in range(200):
        parent, arm = tree.ask()
        tree.tell(parent, arm, str(i), float(rng.random()))
    assert sum(1 for _ in everyone(tree.root)) == 201
    if isinstance(prior, Beta):
        for node in everyone(tree.root):
            own, below = sum(1 for _ in everyone(node)), len(node.children)
            assert node.gen.a + node.gen.b == pytest.approx(1 + below)
            assert node.cont.a + node.cont.b == pytest.approx(1 + own - 1 - below)
            assert node.parent is None or node.worth.a + node.worth.b == pytest.approx(1 + own)


def test_a_node_without_children_is_never_gone_below() -> None:
    for seed in range(200):
        assert search(seed).ask()[0].state == ""
    tree = search(prior=Beta(a=1e-3, b=1e3))
    child = tree.tell(tree.root, 0, "1", 1.0)
    child.cont = Beta(a=1e6, b=1e-3)
    assert {tree.ask()[0].state for _ in range(50)} <= {"", "1"}


def test_gen_and_cont_decide_where_the_next_answer_goes() -> None:
    """P(below the root) is P(gen < cont): one half for equal posteriors, near one where going on pays."""
    tree = search()
    tree.tell(tree.root, 0, "1", 0.5)
    sure, even = Beta(a=1e3, b=1.0), Beta()
    for cont, expected in ((even, 0.5), (sure, 1.0)):
        tree.root.gen, tree.root.cont = even, cont
        below = sum(tree.ask()[0] is not tree.root for _ in range(2000)) / 2000
        assert below == pytest.approx(expected, abs=0.05)


def test_the_better_child_is_followed_more() -> None:
    tree = search()
    good, bad = tree.tell(tree.root, 0, "good", 0.9), tree.tell(tree.root, 0, "bad", 0.1)
    for _ in range(20):
        good.worth, bad.worth = good.worth.observed(0.9), bad.worth.observed(0.1)
    asked = [tree.ask()[0].state for _ in range(500)]
    assert asked.count("good") > 10 * max(1, asked.count("bad"))


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_equal_rewards_go_both_ways_and_end_at_the_number_of_asks(reward: float) -> None:
    tree = search()
    for i in range(300):
        parent, arm = tree.ask()
        tree.tell(parent, arm, str(i), reward)
    nodes = list(everyone(tree.root))
    assert len(nodes) == 301
    assert 1 < len(tree.root.children) < 300


def test_the_same_seed_gives_the_same_tree() -> None:
    def shape(seed: int) -> list[str]:
        tree = search(seed)
        for i in range(100):
            parent, arm = tree.ask()
            tree.tell(parent, arm, f"{parent.state}.{len(parent.children)}", i % 7 / 7)
        return [node.state for node in everyone(tree.root)]

    assert shape(1) == shape(1) != shape(2)


def test_asks_at_once_may_repeat_and_a_failed_one_leaves_no_trace() -> None:
    tree = search()
    assert [tree.ask()[0] for _ in range(4)] == [tree.root] * 4
    tree.tell(tree.root, 0, "only one came back", 0.5)
    assert len(tree.root.children) == 1
    assert tree.root.gen == Gaussian().observed(0.5)


def test_the_better_generator_is_asked_more() -> None:
    tree, rng = search(arms=3, prior=Beta()), np.random.default_rng(0)
    count = [0, 0, 0]
    for i in range(400):
        parent, arm = tree.ask()
        count[arm] += 1
        tree.tell(parent, arm, str(i), float(rng.random() < (0.2, 0.8, 0.3)[arm]))
    assert count[1] > 250
    assert min(count) > 0
    assert [belief.a + belief.b for belief in tree.arms] == pytest.approx([1 + n for n in count])


def test_a_single_generator_costs_no_randomness() -> None:
    one, other = np.random.default_rng(5), np.random.default_rng(5)
    AdaptiveBranching("", 1, Gaussian(), one).ask()
    assert one.random() == other.random()
