"""The N-curve: every way at every N from one pool, exact where a hand can compute it, and without bias."""

import itertools
import math

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.search.pools.estimators import METHODS, coverage
from ponder.search.pools.majority import majority
from ponder.search.pools.n_curve import n_curve, ways
from ponder.search.pools.pool import Draw, Pool

ANSWERS = ("r", "a", "b", "c")
CHANCES = (0.34, 0.3, 0.2, 0.16)
NAMES = {"average": "single", "majority": "vote", "best_by_score": "best_of_n"}


def pool_of(answers, scores=None, query="q"):
    scores = scores if scores is not None else [None] * len(answers)
    return Pool(query, "", tuple(Draw(a, float(a == "r"), s) for a, s in zip(answers, scores, strict=True)))


def at(curve, n, kind):
    [row] = [row for row in curve.rows if (row.n, row.kind) == (n, kind)]
    return row.estimate


class TestCurve:
    def test_holds_every_way_at_every_n(self):
        curve = n_curve([pool_of(["r", "a", "r"], [0.1, 0.5, 0.9])], name="draws")
        kinds = ("average", "best", "worst", "majority", "best_by_score")
        assert [(row.n, row.kind) for row in curve.rows] == list(itertools.product((1, 2, 3), kinds))
        assert [at(curve, 2, kind).accuracy for kind in kinds] == pytest.approx([2 / 3, 1, 1 / 3, 2 / 3, 2 / 3])
        assert [at(curve, 3, kind).accuracy for kind in kinds] == pytest.approx([2 / 3, 1, 0, 1, 1])

    def test_leaves_out_what_pools_cannot_tell(self):
        assert n_curve([pool_of(["r", "a"])]).kinds == ("average", "best", "worst", "majority")
        assert n_curve([pool_of([None, None], [0.1, 0.2])]).kinds == ("average", "best", "worst", "best_by_score")

    def test_every_figure_has_an_interval_over_the_same_queries(self):
        curve = n_curve([pool_of(["r", "a"], query=str(i)) for i in range(9)] + [pool_of(["a", "a", "a"])], [1, 2])
        assert {row.estimate.items for row in curve.rows} == {10}
        assert all(row.estimate.low < row.estimate.high for row in curve.rows)

    def test_agrees_with_the_methods_of_the_report(self):
        rng = np.random.default_rng(5)
        pool = pool_of(rng.choice(ANSWERS, 20).tolist(), rng.integers(0, 4, 20).astype(float).tolist())
        ways = {kind: METHODS[name].estimate for kind, name in NAMES.items()} | {"best": coverage}
        for row in n_curve([pool]).rows:
            if row.kind in ways:
                assert row.estimate.accuracy == pytest.approx(ways[row.kind](pool, row.n), abs=1e-12)

    def test_a_very_large_pool_has_a_curve(self):
        curve = n_curve([pool_of(["r"] * 100 + ["a"] * 60)], [1, 160])
        assert [at(curve, n, "majority").accuracy for n in (1, 160)] == [0.625, 1]

    def test_refuses_what_pools_do_not_hold(self):
        with pytest.raises(UsageError, match="got none"):
            n_curve([])
        with pytest.raises(UsageError, match="pool's 2 draws, got 3"):
            n_curve([pool_of(["r"] * 9), pool_of(["r", "a"])], [1, 3])

    def test_four_thousand_pools_of_64_have_no_bias(self):
        """Against fresh runs, or the law itself: every N from 1 to 64, every way, well within one error on average."""
        rng = np.random.default_rng(64)
        sizes = range(1, 65)
        drawn, scores = _draws(rng, 4000)
        pools = [pool_of([ANSWERS[i] for i in row], marks) for row, marks in zip(drawn, scores.tolist(), strict=True)]
        found = [ways(pool, sizes) for pool in pools]
        drawn, scores = _draws(rng, 20_000)
        far = []
        for i, n in enumerate(sizes):
            for kind, truth in _fresh(drawn[:, :n], scores[:, :n]).items():
                values = np.array([one[kind][i] for one in found])
                error = math.hypot(values.std() / math.sqrt(len(values)), truth.std() / math.sqrt(len(truth)))
                far.append(abs(values.mean() - truth.mean()) / max(error, 1e-4))
        assert max(far) < 4
        assert np.mean(far) < 1


def _draws(rng, pools):
    drawn = rng.choice(4, (pools, 64), p=CHANCES)
    return drawn, rng.normal(size=drawn.shape) + 0.8 * (drawn == 0)


def _fresh(drawn, scores):
    """What fresh runs give by each way; for the average and the oracles, the law itself."""
    n, right = drawn.shape[1], drawn == 0
    counts = np.stack([(drawn == i).sum(axis=1) for i in range(4)], axis=1)
    leads = counts == counts.max(axis=1, keepdims=True)
    return {
        "average": np.array([CHANCES[0]]),
        "best": np.array([1 - (1 - CHANCES[0]) ** n]),
        "worst": np.array([CHANCES[0] ** n]),
        "majority": leads[:, 0] / leads.sum(axis=1),
        "best_by_score": right[np.arange(len(right)), scores.argmax(axis=1)],
    }


class TestMajority:
    def test_is_the_mean_over_all_subsets(self):
        rng = np.random.default_rng(2)
        for size in (1, 2, 5, 7):
            for _ in range(12):
                answers = rng.choice(["r", "a", "b", None], size).tolist()
                for n in range(1, size + 1):
                    assert majority(pool_of(answers))[n - 1] == pytest.approx(_by_subsets(answers, n))

    def test_is_exact_for_many_draws(self):
        curve = majority(pool_of(["r"] * 33 + ["a"] * 31))
        assert curve[[0, 1, 63]] == pytest.approx([33 / 64, 33 / 64, 1])
        assert curve[2] == pytest.approx(
            sum(math.comb(33, k) * math.comb(31, 3 - k) for k in (2, 3)) / math.comb(64, 3)
        )


def _by_subsets(answers, n):
    outcomes = []
    for subset in itertools.combinations(answers, n):
        counts = {answer: subset.count(answer) for answer in set(subset) - {None}}
        leaders = [answer for answer, count in counts.items() if count == max(counts.values())]
        outcomes.append(leaders.count("r") / len(leaders) if leaders else 0.0)
    return np.mean(outcomes)
