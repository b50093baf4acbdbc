"""Mean ranks: exact values, ties, what is missing, and that only order counts."""

import math

import pytest
from columns import Column, columns, combined, scored, values
from hypothesis import given
from hypothesis import strategies as st

from ponder.verifiers import RankEnsemble
from ponder.verifiers.rank_ensemble import shares_beaten

cells = st.none() | st.sampled_from([-2.0, 0.0, 0.5, 1.0, 3.0])
tables = st.lists(st.tuples(cells, cells), min_size=1, max_size=6)
BOTH = RankEnsemble(members=columns(2, scale="reward"))


@pytest.mark.parametrize(
    ("column", "shares"),
    [
        ([3.0, 1.0, 2.0], [1.0, 0.0, 0.5]),
        ([1.0, 1.0], [0.5, 0.5]),
        ([2.0, 1.0, 2.0, 0.0, 2.0], [0.75, 0.25, 0.75, 0.0, 0.75]),
        ([None, 1.0, None], [0.25, 1.0, 0.25]),
        ([None, None], [0.5, 0.5]),
        ([7.0], [0.5]),
        ([], []),
    ],
)
def test_shares_beaten(column: list[float | None], shares: list[float]) -> None:
    assert shares_beaten(column) == shares


def test_values() -> None:
    assert values(BOTH, (3.0, 10.0), (1.0, 30.0), (2.0, 20.0)) == [0.5, 0.5, 0.5]
    assert values(BOTH, (3.0, 30.0), (1.0, 10.0), (2.0, 20.0)) == [1.0, 0.0, 0.5]
    weighted = RankEnsemble(members=columns(2), weights=(3, 1))
    assert values(weighted, (3.0, 10.0), (1.0, 30.0), (2.0, 20.0)) == [0.75, 0.25, 0.5]
    assert values(BOTH, (3.0, 10.0)) == [0.5]


def test_scales_may_be_mixed() -> None:
    mixed = RankEnsemble(members=(Column(at=0, scale="logit"), Column(at=1, scale="binary")))
    (first, _) = scored(mixed, (-5.0, 1.0), (-9.0, 0.0))
    assert (first.value, first.scale) == (1.0, "reward")


def test_what_is_missing_comes_last_and_a_mute_member_is_left_out() -> None:
    assert values(BOTH, (None, 3.0), (1.0, 2.0), (2.0, 1.0)) == [0.5, 0.5, 0.5]
    assert values(BOTH, (None, 3.0), (None, 2.0), (None, 1.0)) == [1.0, 0.5, 0.0]
    found = scored(BOTH, (None, None), (1.0, None))
    assert [score.value for score in found] == [None, 1.0]
    assert found[0].detail == "no member can tell: a dash"
    assert values(BOTH, (None, None), (None, None)) == [None, None]


@given(tables)
def test_maps_that_rise_change_nothing(rows: list[tuple[float | None, ...]]) -> None:
    risen = [tuple(None if cell is None else math.exp(cell) * 10 - 3 for cell in row) for row in rows]
    assert combined(BOTH, *rows) == combined(BOTH, *risen)


@given(tables.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(range(len(rows))))))
def test_permuting_candidates_permutes_scores(case: tuple[list[tuple[float | None, ...]], list[int]]) -> None:
    rows, order = case
    before = combined(BOTH, *rows)
    assert combined(BOTH, *(rows[i] for i in order)) == [before[i] for i in order]


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=7))
def test_the_mean_of_all_is_one_half(rows: list[tuple[float, float]]) -> None:
    """As many wins as losses, whatever ties."""
    found = [value for value in combined(BOTH, *rows) if value is not None]
    assert all(0 <= value <= 1 for value in found)
    assert sum(found) / len(rows) == pytest.approx(0.5)
