"""The table of what was measured."""

from __future__ import annotations

import numpy as np

from ponder.search.decisions.evidence import Evidence
from ponder.search.problem import Row


def row(composition: int, replicate: int, items: list[int], values: list[float], cost: float = 1.0) -> Row:
    return Row(composition, replicate, np.array(items), np.array(values), np.full(len(items), cost))


def test_values_are_means_over_replicates_with_gaps() -> None:
    evidence = Evidence(4)
    evidence.add([row(7, 0, [0, 1], [1.0, 0.0]), row(7, 3, [1, 2], [1.0, 1.0]), row(2, 1, [3], [0.25])])
    np.testing.assert_array_equal(evidence.values(7), [1.0, 0.5, 1.0, np.nan])
    np.testing.assert_array_equal(evidence.values(2), [np.nan, np.nan, np.nan, 0.25])
    assert evidence.compositions == [2, 7]
    assert evidence.replicates(7) == [0, 3]
    np.testing.assert_array_equal(evidence.replicated(7), [[1, 0, np.nan, np.nan], [np.nan, 1, 1, np.nan]])


def test_one_replicate_can_be_left_out() -> None:
    evidence = Evidence(2)
    evidence.add([row(7, 0, [0, 1], [1.0, 0.0], 3.0), row(7, 3, [1], [1.0], 5.0), row(2, 3, [0], [0.25])])
    other = evidence.without(3)
    assert (other.compositions, other.replicates(7)) == ([7], [0])
    np.testing.assert_array_equal([other.values(7), other.costs(7)], [[1.0, 0.0], [3.0, 3.0]])
    assert evidence.replicates(7) == [0, 3]


def test_costs_are_kept_beside_values() -> None:
    evidence = Evidence(2)
    evidence.add([row(0, 0, [0], [1.0], cost=3.0), row(0, 1, [0], [0.0], cost=5.0)])
    np.testing.assert_array_equal(evidence.costs(0), [4.0, np.nan])


def test_a_later_value_replaces_an_earlier_one() -> None:
    evidence = Evidence(2)
    evidence.add([row(0, 0, [0, 1], [0.0, 0.0])])
    evidence.add([row(0, 0, [1], [1.0])])
    np.testing.assert_array_equal(evidence.values(0), [0.0, 1.0])


def test_what_was_never_measured_is_unknown() -> None:
    evidence = Evidence(3)
    assert evidence.compositions == [] and evidence.replicates(0) == []
    assert np.isnan(evidence.values(0)).all() and np.isnan(evidence.costs(0)).all()
    assert evidence.replicated(0).shape == (0, 3)
