"""The frontier and what is tied on it; points and the measuring of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Usage
from ponder.search.frontier import Difference, Estimate, Point, frontier
from ponder.search.measure import measure, natural_order, paired
from ponder.search.pool import Draw, Pool


def point(name, tokens, accuracy, **more):
    low, high = max(0.0, accuracy - 0.05), min(1.0, accuracy + 0.05)
    given = {"items": 100, "low": low, "high": high, "method": "vote", "n": 4, "cost": {"total_tokens": tokens}}
    return Point(**{**given, **more}, name=name, accuracy=accuracy)


def names(points):
    return [point.name for point in points]


points_strategy = st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8), st.booleans()), min_size=0, max_size=12).map(
    lambda rows: [point(f"p{i}", cost, share / 8, is_oracle=oracle) for i, (cost, share, oracle) in enumerate(rows)]
)


class TestFrontier:
    def test_keeps_what_nothing_dominates(self):
        found = frontier([point("a", 10, 0.5), point("b", 20, 0.4), point("c", 20, 0.7), point("d", 30, 0.7)])
        assert names(found) == ["a", "c"]

    def test_never_holds_an_oracle(self):
        assert names(frontier([point("a", 10, 0.5), point("o", 5, 0.9, is_oracle=True)])) == ["a"]

    def test_of_equals_the_first_by_name_stands(self):
        assert names(frontier([point("b", 10, 0.5), point("a", 10, 0.5)])) == ["a"]

    def test_in_another_dimension(self):
        cheap = {"total_tokens": 50, "calls": 1}
        found = frontier(
            [point("a", 10, 0.5, cost={"total_tokens": 10, "calls": 4}), point("b", 50, 0.6, cost=cheap)], "calls"
        )
        assert names(found) == ["b"]

    def test_refuses_a_dimension_that_was_not_measured(self):
        with pytest.raises(UsageError, match="must have a cost in 'flops', got: total_tokens"):
            frontier([point("a", 10, 0.5)], "flops")

    def test_refuses_two_points_of_one_name(self):
        with pytest.raises(UsageError, match="got twice: 'a'"):
            frontier([point("a", 10, 0.5), point("a", 20, 0.5)])

    @given(points_strategy, st.randoms())
    def test_is_what_the_definition_says_in_any_order(self, points, random):
        found = frontier(points)
        usable = [p for p in points if not p.is_oracle]

        def dominates(p, q):
            no_worse = p.cost_tokens <= q.cost_tokens and p.accuracy >= q.accuracy
            return no_worse and (p.cost_tokens, p.accuracy) != (q.cost_tokens, q.accuracy)

        assert all(not any(dominates(p, q) for p in usable) for q in found)
        for missing in (p for p in usable if p not in found):
            assert any(p.cost_tokens <= missing.cost_tokens and p.accuracy >= missing.accuracy for p in found)
        mixed = points.copy()
        random.shuffle(mixed)
        assert frontier(mixed) == found


class TestPoint:
    def test_survives_json(self):
        confirmed = Estimate(items=50, accuracy=0.4, low=0.3, high=0.5)
        whole = point(
            "a", 10, 0.5, confirmed=confirmed, composition={"kind": "vote", "n": 4}, by_difficulty={"1": confirmed}
        )
        assert Point.model_validate_json(whole.model_dump_json()) == whole

    @pytest.mark.parametrize("low", [None, 0.6, math.nan])
    def test_has_no_accuracy_without_a_sound_interval(self, low):
        with pytest.raises((ValidationError, UsageError)):
            point("a", 10, 0.5, low=low)

    def test_has_no_difference_without_a_sound_interval(self):
        assert Difference(items=9, mean=0.1, low=-0.1, high=0.2).holds_zero
        assert not Difference(items=9, mean=-0.1, low=-0.2, high=-0.05).holds_zero
        with pytest.raises(UsageError, match="must hold its difference"):
            Difference(items=9, mean=0.1, low=0.2, high=0.3)

    def test_must_count_tokens(self):
        with pytest.raises(UsageError, match="total_tokens"):
            point("a", 10, 0.5, cost={"calls": 1})


def pools(count=12, size=4):
    rng = np.random.default_rng(0)
    return [
        Pool(
            f"q{i}",
            f"{i % 3 + 9} steps",
            tuple(
                Draw(a, float(a == "r"), float(s), Usage(5, completion_tokens=5, calls=1), Usage(7, verifier_calls=1))
                for a, s in zip(rng.choice(["r", "x"], size), rng.random(size), strict=True)
            ),
        )
        for i in range(count)
    ]


class TestMeasure:
    def test_gives_accuracy_cost_and_difficulties(self):
        found = measure(pools(), "best_of_n", 4, temperature=0.7, composition={"kind": "best_of_n"}).point
        assert found.name == "best of 4, T 0.7"
        assert (found.items, found.n, found.temperature, found.is_oracle) == (12, 4, 0.7, False)
        assert (found.cost_tokens, found.cost["verifier_calls"]) == (4 * 17, 4)
        assert list(found.by_difficulty) == ["9 steps", "10 steps", "11 steps"]
        assert sum(part.items for part in found.by_difficulty.values()) == 12
        assert found.low <= found.accuracy <= found.high

    def test_marks_oracles(self):
        assert measure(pools(), "pass_at_k", 2).point.is_oracle

    def test_leaves_out_short_pools_and_says_so(self):
        short = Pool("short", "9 steps", (Draw("r", 1.0),))
        found = measure([*pools(), short], "vote", 4)
        assert (found.point.items, found.point.censored) == (12, 1)
        assert "short" not in found.outcomes

    def test_refuses_n_beyond_every_pool_and_one_query_twice(self):
        with pytest.raises(UsageError, match="got 5 where the largest holds 4"):
            measure(pools(), "vote", 5)
        with pytest.raises(UsageError, match="largest holds 0"):
            measure([], "vote", 1)
        with pytest.raises(UsageError, match="different queries"):
            measure(pools() + pools(), "vote", 2)

    def test_keeps_the_outcome_of_every_query(self):
        found = paired([measure(pools(12), "vote", 4), measure(pools(12)[3:], "best_of_n", 4)])
        assert {name: len(outcomes) for name, outcomes in found.items()} == {"vote of 4": 12, "best of 4": 9}


def test_natural_order_reads_numbers():
    assert sorted(["10", "9", "b2", "b10", ""], key=natural_order) == ["", "9", "10", "b2", "b10"]
