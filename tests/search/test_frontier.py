"""The frontier and its points."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ponder.orchestrator.errors import UsageError
from ponder.search.reports.frontier import Difference, Estimate, Point, frontier
from ponder.search.reports.natural_order import natural_order


def point(name, tokens, accuracy, **more):
    low, high = max(0.0, accuracy - 0.05), min(1.0, accuracy + 0.05)
    given = {"items": 100, "low": low, "high": high, "method": "vote", "n": 4, "cost": {"total_tokens": tokens}}
    return Point(**{**given, **more}, name=name, accuracy=accuracy)


def tokens(point):
    return point.cost_in("total_tokens")


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
            no_worse = tokens(p) <= tokens(q) and p.accuracy >= q.accuracy
            return no_worse and (tokens(p), p.accuracy) != (tokens(q), q.accuracy)

        assert all(not any(dominates(p, q) for p in usable) for q in found)
        for missing in (p for p in usable if p not in found):
            assert any(tokens(p) <= tokens(missing) and p.accuracy >= missing.accuracy for p in found)
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


def test_natural_order_reads_numbers():
    assert sorted(["10", "9", "b2", "b10", ""], key=natural_order) == ["", "9", "10", "b2", "b10"]
