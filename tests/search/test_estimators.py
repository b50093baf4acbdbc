"""Estimators from a pool: exact values, identities, and truth by enumeration and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from ponder.orchestrator.budget import COUNTED
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Usage
from ponder.search.pools.estimators import (
    METHODS,
    best_of_n,
    coverage,
    estimates,
    mean,
    method_named,
    order_weights,
    pass_at_k,
)
from ponder.search.pools.outcomes import Reading
from ponder.search.pools.pool import Draw, Pool
from ponder.strategies import BestOfN, Sample, SelfConsistency
from ponder.verifiers import ProcessReward


def pool_of(*draws, query="q"):
    return Pool(query, "easy", tuple(draws))


def scored(scores, labels):
    return pool_of(*(Draw(f"a{i}", label, score) for i, (score, label) in enumerate(zip(scores, labels, strict=True))))


draws = st.lists(
    st.builds(
        Draw,
        answer=st.sampled_from([None, "a", "b", "c"]),
        correct=st.sampled_from([0.0, 1.0]),
        score=st.sampled_from([None, 0.0, 0.25, 0.5, 1.0]),
        generation=st.builds(Usage, completion_tokens=st.integers(1, 3)),
    ),
    min_size=1,
    max_size=7,
)


class TestWeights:
    @pytest.mark.parametrize(("m", "n"), [(1, 1), (4, 2), (16, 4), (16, 16), (64, 32), (400, 200)])
    def test_are_the_binomials(self, m, n):
        exact = [math.comb(j - 1, n - 1) / math.comb(m, n) for j in range(1, m + 1)]
        assert order_weights(m, n) == pytest.approx(exact, rel=1e-9, abs=1e-300)

    def test_sum_to_one_where_binomials_would_overflow(self):
        assert order_weights(10_000, 4_000).sum() == pytest.approx(1)

    @pytest.mark.parametrize("n", [0, 5, -1])
    def test_refuse_more_draws_than_there_are(self, n):
        with pytest.raises(UsageError, match="between 1 and the pool's 4 draws, got"):
            order_weights(4, n)


class TestPassAtK:
    @pytest.mark.parametrize(
        ("m", "correct", "k", "value"),
        [
            (4, 1, 2, 0.5),
            (10, 3, 1, 0.3),
            (10, 0, 10, 0.0),
            (10, 1, 10, 1.0),
            (5, 3, 3, 1.0),
            (16, 4, 4, 1 - 495 / 1820),
        ],
    )
    def test_is_one_less_the_chance_of_none(self, m, correct, k, value):
        assert pass_at_k(m, correct, k) == pytest.approx(value)
        labels = [1.0] * correct + [0.0] * (m - correct)
        assert coverage(scored(range(m), labels), k) == pytest.approx(value)

    def test_is_not_the_biased_power(self):
        assert pass_at_k(10, 3, 5) == pytest.approx(1 - math.comb(7, 5) / math.comb(10, 5))
        assert pass_at_k(10, 3, 5) != pytest.approx(1 - 0.7**5, abs=0.01)

    @pytest.mark.parametrize(("m", "correct", "k"), [(4, 1, 5), (4, 1, 0), (4, 5, 2), (4, -1, 2)])
    def test_refuses_what_has_no_meaning(self, m, correct, k):
        with pytest.raises(UsageError):
            pass_at_k(m, correct, k)


class TestBestOfN:
    def test_is_the_mean_at_one_and_the_best_at_all(self):
        pool = scored([0.1, 0.9, 0.4, 0.7], [1, 0, 1, 1])
        assert best_of_n(pool, 1) == pytest.approx(mean(pool)) == pytest.approx(0.75)
        assert best_of_n(pool, 4) == pytest.approx(0.0)

    def test_weighs_each_place(self):
        pool = scored([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 0])
        assert best_of_n(pool, 2) == pytest.approx(2 / 6)

    def test_ties_share_and_the_label_breaks_none(self):
        assert best_of_n(scored([0.5, 0.5, 0.5, 0.5], [1, 0, 0, 0]), 3) == pytest.approx(0.25)
        assert best_of_n(scored([0.9, 0.9, 0.1], [1, 0, 0]), 3) == pytest.approx(0.5)

    def test_a_missing_score_is_below_every_valid_one(self):
        assert best_of_n(scored([None, -5.0], [1, 0]), 2) == 0
        assert best_of_n(scored([float("nan"), -5.0], [1, 0]), 2) == 0
        assert best_of_n(scored([None, None], [1, 0]), 2) == 0.5

    def test_ties_go_to_fewer_tokens_as_in_the_strategy_and_lost_draws_come_last(self):
        short, long = Usage(completion_tokens=5), Usage(completion_tokens=9)
        assert best_of_n(pool_of(Draw("a", 1, 0.5, short), Draw("b", 0, 0.5, long)), 2) == 1
        assert best_of_n(pool_of(Draw("a", 1, None, long), Draw(None, 0)), 2) == 1

    @given(draws, st.data())
    def test_equals_the_mean_over_all_subsets_and_orders(self, found, data):
        n = data.draw(st.integers(1, len(found)))
        outcomes = []
        for subset in itertools.combinations(found, n):
            key = lambda d: (d.score is not None, d.score or 0.0, -d.generation.completion_tokens)  # noqa: E731
            top = [d.correct for d in subset if key(d) == max(map(key, subset))]
            outcomes.append(sum(top) / len(top))
        assert best_of_n(pool_of(*found), n) == pytest.approx(np.mean(outcomes))

    @pytest.mark.parametrize("n", [2, 4, 8, 16])
    def test_is_unbiased_from_sixteen_draws(self, n):
        """Four thousand pools of sixteen against four times as many fresh runs of n: within four sigma."""
        rng = np.random.default_rng(n)

        def fresh(runs, size):
            labels = rng.random((runs, size)) < 0.4
            return labels, labels * 0.8 + rng.normal(size=(runs, size))

        labels, scores = fresh(4000, 16)
        found = np.array([best_of_n(scored(s, map(float, y)), n) for s, y in zip(scores.tolist(), labels, strict=True)])
        labels, scores = fresh(160_000, n)
        truth = np.take_along_axis(labels, scores.argmax(axis=1)[:, None], axis=1).mean()
        error = math.sqrt(found.var() / len(found) + truth * (1 - truth) / 160_000)
        assert abs(found.mean() - truth) < 4 * error
        assert found.std() < math.sqrt(truth * (1 - truth)) + 1e-9


@given(draws, st.data())
@settings(deadline=None)
def test_no_method_depends_on_the_order_of_draws(found, data):
    n = data.draw(st.integers(1, len(found)))
    mixed = data.draw(st.permutations(found))
    for method in METHODS.values():
        assert method.estimate(pool_of(*found), n) == pytest.approx(method.estimate(pool_of(*mixed), n), abs=1e-12)


@given(draws, st.data())
@settings(deadline=None)
def test_no_method_beats_coverage(found, data):
    n = data.draw(st.integers(1, len(found)))
    answered = [
        Draw(d.answer, 0.0 if d.answer is None else float(d.answer == "a"), d.score, d.generation) for d in found
    ]
    pool = pool_of(*answered)
    for method in METHODS.values():
        assert method.estimate(pool, n) <= coverage(pool, n) + 1e-9


def test_every_method_refuses_n_beyond_the_pool():
    for method in METHODS.values():
        for n in (0, 3):
            with pytest.raises(UsageError, match="draw more"):
                method.estimate(scored([1, 2], [0, 1]), n)


def test_at_one_every_method_is_the_mean():
    pool = scored([0.3, 0.2, 0.9], [1, 0, 0])
    assert [m.estimate(pool, 1) for m in METHODS.values()] == pytest.approx([1 / 3] * len(METHODS))


def test_estimates_keep_the_order_of_pools():
    pools = [scored([1], [0]), scored([1], [1])]
    assert estimates(pools, "single", 1).tolist() == [0, 1]


def test_an_unknown_method_names_those_that_are():
    with pytest.raises(UsageError, match="one of single, best_of_n"):
        method_named("magic")


class TestCost:
    pool = pool_of(
        Draw(
            "a",
            1,
            0.5,
            Usage(10, 4, 20, calls=1, flops=100, nano_usd=1000),
            Usage(30, completion_tokens=1, verifier_calls=1),
        ),
        Draw(
            "b",
            0,
            0.1,
            Usage(10, 0, 40, calls=1, flops=300, nano_usd=3000),
            Usage(50, completion_tokens=1, verifier_calls=1),
        ),
    )

    def cost(self, strategy):
        return dict(zip(COUNTED, Reading(self.pool).of(strategy).cost.tolist(), strict=True))

    def test_counts_the_prompt_of_every_call_and_every_judgement(self):
        cost = self.cost(BestOfN(n=2, verifier=ProcessReward()))
        assert cost["prompt_tokens"] == 20 + 80
        assert cost["completion_tokens"] == 60 + 2
        assert cost["total_tokens"] == 162
        assert (cost["calls"], cost["verifier_calls"], cost["flops"]) == (2, 2, 400)
        assert cost["cost_usd"] == 4000

    def test_a_vote_judges_nothing_and_a_single_draw_is_not_judged(self):
        assert self.cost(SelfConsistency(n=2))["verifier_calls"] == 0
        assert self.cost(BestOfN(n=1, verifier=ProcessReward()))["verifier_calls"] == 0
        assert self.cost(Sample())["total_tokens"] == 40

    def test_more_draws_than_there_are_are_refused(self):
        with pytest.raises(UsageError):
            self.cost(SelfConsistency(n=3))


class TestPool:
    def test_survives_json(self):
        adapter = TypeAdapter(Pool)
        for pool in (TestCost.pool, scored([None, 0.1], [0.25, 1])):
            assert adapter.validate_json(adapter.dump_json(pool)) == pool

    def test_refuses_an_empty_pool_and_a_label_out_of_range(self):
        with pytest.raises(UsageError, match="must hold a draw"):
            Pool("q", "d", ())
        with pytest.raises(UsageError, match="between 0 and 1"):
            Draw("a", 1.5)
        with pytest.raises(UsageError, match="between 0 and 1"):
            Draw("a", float("nan"))
