"""Votes at N: agreement with the strategies' own vote, exactness at the ends, and truth by simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.orchestrator.types import Candidate, Finish, Score
from ponder.search.pools.majority import majority
from ponder.search.pools.pool import Draw, Pool
from ponder.search.pools.votes import vote, weighted_vote
from ponder.strategies.voting import vote as strategy_vote


def pool_of(answers, scores=None, right="r", query="q"):
    scores = scores or [None] * len(answers)
    drawn = tuple(Draw(a, float(a == right), s) for a, s in zip(answers, scores, strict=True))
    return Pool(query, "easy", drawn)


def by_strategy(pool, n, weighted):
    """The mean over all ordered samples of what the strategy itself would answer."""
    outcomes = []
    for sample in itertools.permutations(pool.draws, n):
        candidates = [
            Candidate((), "", Finish.EOS, index=i, answer=d.answer, scores={"v": Score(d.score)} if weighted else {})
            for i, d in enumerate(sample)
        ]
        best = strategy_vote(candidates, "v" if weighted else "", weighted=weighted)[0]
        outcomes.append(best.answer == "r")
    return np.mean(outcomes)


ballots = st.lists(
    st.tuples(st.sampled_from([None, "r", "a", "b"]), st.sampled_from([None, 0.0, 0.25, 0.5, 1.0])),
    min_size=1,
    max_size=5,
)


@given(ballots, st.data())
@settings(deadline=None, max_examples=150)
def test_both_votes_agree_with_the_strategies_in_every_tie(found, data):
    pool = pool_of(*map(list, zip(*found, strict=True)))
    n = data.draw(st.integers(1, len(found)))
    assert vote(pool, n) == pytest.approx(by_strategy(pool, n, weighted=False))
    assert weighted_vote(pool, n) == pytest.approx(by_strategy(pool, n, weighted=True))


def test_a_vote_of_one_is_the_mean_and_of_all_is_the_vote():
    answers = ["r"] * 20 + ["a"] * 30 + [f"x{i}" for i in range(14)]
    assert vote(pool_of(answers), 1) == pytest.approx(20 / 64)
    assert vote(pool_of(answers), 64) == 0
    assert vote(pool_of(["r"] * 33 + ["a"] * 31), 64) == 1


def test_a_vote_of_one_is_exact_in_a_pool_larger_than_the_limit():
    assert vote(pool_of(["r"] * 300 + ["a"] * 600), 1) == pytest.approx(1 / 3)


def test_ties_are_shared():
    assert vote(pool_of(["r", "a"]), 2) == 0.5
    assert vote(pool_of(["r", "a", "b"]), 3) == pytest.approx(1 / 3)
    assert weighted_vote(pool_of(["r", "a"], [0.4, 0.4]), 2) == 0.5


def test_abstainers_never_vote_and_all_abstaining_is_wrong():
    assert vote(pool_of([None, None, None, "r"]), 4) == 1
    assert vote(pool_of([None, None, None, "r"]), 2) == 0.5
    assert vote(pool_of([None, None]), 2) == 0
    assert vote(Pool("q", "d", (Draw(None, 1.0),)), 1) == 0


def test_weights_decide_before_counts_and_counts_before_the_best_score():
    assert weighted_vote(pool_of(["r", "a", "a"], [0.9, 0.3, 0.3]), 3) == 1
    assert weighted_vote(pool_of(["r", "a", "a"], [0.5, 0.25, 0.25]), 3) == 0
    assert weighted_vote(pool_of(["r", "r", "a", "a"], [0.75, 0.25, 0.5, 0.5]), 4) == 1


def test_sums_in_another_order_still_tie():
    pool = pool_of(["r", "r", "r", "a", "a", "a"], [0.1, 0.2, 0.3, 0.3, 0.2, 0.1])
    assert weighted_vote(pool, 6) == 0.5


def test_without_weight_the_count_decides():
    assert weighted_vote(pool_of(["r", "r", "a"], [0.0, 0.0, 0.0]), 3) == 1
    assert weighted_vote(pool_of(["r", "r", "a"], [None, None, None]), 3) == 1
    assert weighted_vote(pool_of(["r", "r", "a"], [None, None, 0.1]), 3) == 0


def test_a_negative_weight_weighs_nothing():
    pool = pool_of(["r", "a", "a"], [0.5, -0.1, -3.0])
    assert weighted_vote(pool, 3) == by_strategy(pool, 3, weighted=True) == 1
    assert vote(pool_of(["r", "a"], [0.5, -0.1]), 2) == 0.5


def test_equal_weights_and_scaled_weights_change_nothing():
    rng = np.random.default_rng(3)
    answers = rng.choice(["r", "a", "b", "c"], 12).tolist()
    scores = rng.random(12).tolist()
    assert weighted_vote(pool_of(answers, [0.7] * 12), 4) == pytest.approx(vote(pool_of(answers), 4))
    scaled = [1000 * score for score in scores]
    assert weighted_vote(pool_of(answers, scores), 4) == pytest.approx(weighted_vote(pool_of(answers, scaled), 4))


def test_an_answer_with_mixed_labels_is_credited_with_their_mean():
    assert vote(Pool("q", "d", (Draw("r", 1.0), Draw("r", 0.0), Draw("a", 0.0))), 3) == 0.5


def test_random_subsets_are_the_same_every_time_and_differ_between_queries():
    rng = np.random.default_rng(0)
    answers = rng.choice(["r", "a", "b", "c", "d"], 32).tolist()
    scores = rng.random(32).tolist()
    pool = pool_of(answers, scores)
    assert weighted_vote(pool, 8) == weighted_vote(pool_of(answers[::-1], scores[::-1]), 8)
    assert len({weighted_vote(pool_of(answers, scores, query=f"q{i}"), 8) for i in range(5)}) > 1
    assert weighted_vote(pool, 8, seed=1) != weighted_vote(pool, 8, seed=2)


def test_random_subsets_estimate_the_mean_over_all():
    rng = np.random.default_rng(1)
    answers = rng.choice(["r", "a", "b", "c"], 16, p=[0.35, 0.3, 0.2, 0.15]).tolist()
    scores = rng.random(16).tolist()
    exact = weighted_vote(pool_of(answers, scores), 6, subsets=10_000)
    found = [weighted_vote(pool_of(answers, scores, query=f"q{i}"), 6, subsets=64) for i in range(60)]
    assert abs(np.mean(found) - exact) < 4 * np.std(found) / math.sqrt(60)


def test_a_very_large_pool_is_estimated_from_random_subsets():
    answers = ["r"] * 60 + ["a"] * 50 + ["b"] * 40
    small = float(majority(pool_of(answers))[8])
    found = [vote(pool_of(answers, query=f"q{i}"), 9, subsets=64) for i in range(60)]
    assert abs(np.mean(found) - small) < 4 * np.std(found) / math.sqrt(60)


@pytest.mark.parametrize("n", [2, 5, 16])
def test_is_unbiased_for_fresh_votes(n):
    """Pools of 24 draws against fresh votes of n from the same model of four answers: within four sigma."""
    rng = np.random.default_rng(n)
    chances = [0.34, 0.3, 0.2, 0.16]
    names = np.array(["r", "a", "b", "c"])
    pools = [pool_of(names[rng.choice(4, 24, p=chances)].tolist(), query=f"q{i}") for i in range(600)]
    found = np.array([vote(pool, n) for pool in pools])
    counts = rng.multinomial(n, chances, 100_000)
    top = counts == counts.max(axis=1, keepdims=True)
    fresh = top[:, 0] / top.sum(axis=1)
    error = math.sqrt(found.var() / len(found) + fresh.var() / len(fresh))
    assert abs(found.mean() - fresh.mean()) < 4 * error
