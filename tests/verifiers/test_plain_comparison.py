"""Plain values compared: one type each, one spelling each, and near numbers only where a test says so."""

import math

import pytest

from ponder.orchestrator.plain_values import to_json
from ponder.verifiers.programs.plain_comparison import agree, spelled

TWO_TYPES = [
    (1, True), (1, 1.0), (0, False), ((1,), [1]), ("1", 1), (b"a", "a"), ({1}, frozenset({1})), (None, False), ([], {}),
    ({1: 2}, {1.0: 2}), ((), []), (set(), {}), ("a", "a "), (2**53, float(2**53)), (1 + 0j, 1),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), TWO_TYPES)
def test_values_of_two_types_never_agree(one, other):
    assert not agree(to_json(one), to_json(other))
    assert not agree(to_json([one]), to_json([other]))


def test_order_counts_only_where_it_means_something():
    assert agree(to_json({"a": 1, "b": 2}), to_json({"b": 2, "a": 1}))
    assert agree({"$set": [1, 2]}, {"$set": [2, 1]}) and agree({"$set": [1, 1]}, {"$set": [1]})
    assert not agree([1, 2], [2, 1])
    assert agree(to_json(math.nan), to_json(float("nan"))) and agree(0.0, -0.0)
    with pytest.raises(ValueError, match="once"):
        spelled({"$dict": [[1, 2], [1, 3]]})


def test_members_that_all_hash_alike_cost_no_more():
    clash = 2**61 - 1
    form = {"$set": [to_json(clash * each) for each in range(50_000)]}
    assert len(spelled(form)) > 50_000


@pytest.mark.parametrize(
    ("got", "wanted", "absolute", "relative", "is_near"),
    [
        (1.001, 1.0, 0.01, 0, True), (1.02, 1.0, 0.01, 0, False), (101.0, 100.0, 0, 0.01, True), (1, 1.0, 0.1, 0, True),
        (102.0, 100.0, 0, 0.01, False), (True, 1.0, 0.1, 0, False), ([1.001], [1.0], 0.01, 0, True),
        ([1.001], (1.0,), 0.01, 0, False), ([1.0, 2.0], [1.0], 0.5, 0, False), ({1.001}, {1.0}, 0.01, 0, False),
        ({"a": 1.001}, {"a": 1.0}, 0.01, 0, True), ({1.001: "a"}, {1.0: "a"}, 0.01, 0, False), ([], {}, 0.1, 0, False),
        (math.nan, math.nan, 0.1, 0, True), (math.nan, 1.0, 9e9, 0, False), (math.inf, 1.0, 9e9, 0, False),
        (1.0, math.inf, 0, 0.5, False), (math.inf, math.inf, 0.1, 0, True), (2**2000, 1.0, 0.1, 0, False),
        ("a", "a", 0.1, 0, True), ("a", "b", 9.0, 0, False), ((1, (2.001,)), (1, (2.0,)), 0.01, 0, True),
    ],
)  # fmt: skip
def test_numbers_may_be_near_where_a_test_says_so(got, wanted, absolute, relative, is_near):
    assert agree(to_json(got), to_json(wanted), absolute, relative) is is_near
