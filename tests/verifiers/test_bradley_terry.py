"""Strengths that explain who beat whom: finite, unique, and in the order of consistent results."""

from itertools import combinations, permutations

import pytest

from ponder.verifiers.tournaments.bradley_terry import bradley_terry

WIN, LOSS = (1.0, 0.0), (0.0, 1.0)


def oracle(worth):
    return [(i, j, WIN if worth[i] > worth[j] else LOSS) for i, j in combinations(range(len(worth)), 2)]


@pytest.mark.parametrize("worth", permutations(range(4)))
def test_the_order_of_consistent_results_is_recovered(worth):
    chances = bradley_terry(4, oracle(worth))
    assert sorted(range(4), key=lambda i: chances[i]) == sorted(range(4), key=lambda i: worth[i])


@pytest.mark.parametrize("wins", [(1, 0), (3, 1), (2, 2), (0.7, 0.3), (40, 0)])
def test_two_players_have_the_root_of_their_cubic(wins):
    """With s for the one and 1 / s for the other: a + 1/2 = (a + b) s^2 / (s^2 + 1) + s / (s + 1)."""
    a, b = wins
    one, other = bradley_terry(2, _matches(a, b))
    s = one / (1 - one)
    assert a + 0.5 == pytest.approx((a + b) * s * s / (s * s + 1) + s / (s + 1), abs=1e-9)
    assert one + other == pytest.approx(1, abs=1e-9)


def test_a_chain_of_three_has_three_quarters_at_its_top():
    """By symmetry the middle is even, so the first has 3/2 = 2 s / (s + 1)."""
    assert bradley_terry(3, [(0, 1, WIN), (1, 2, WIN)]) == pytest.approx([0.75, 0.5, 0.25], abs=1e-9)


def _matches(a, b):
    if isinstance(a, float):
        return [(0, 1, (a, b))]
    return [(0, 1, WIN)] * a + [(0, 1, LOSS)] * b


@pytest.mark.parametrize("matches", [oracle([3, 1, 2, 5, 4]), [(0, 1, WIN), (3, 4, (0.2, 0.8))], [(0, 1, None)], []])
def test_the_mean_chance_against_an_even_opponent_is_a_half(matches):
    chances = bradley_terry(5, matches)
    assert sum(chances) == pytest.approx(2.5, abs=1e-8)
    assert all(0 < chance < 1 for chance in chances)


def test_groups_that_never_met_and_who_met_nobody_have_a_place():
    chances = bradley_terry(5, [(0, 1, WIN), (2, 3, WIN), (3, 4, None)])
    assert chances == pytest.approx([chances[0], 1 - chances[0], chances[0], 1 - chances[0], 0.5], abs=1e-9)
    assert bradley_terry(0, []) == []
    assert bradley_terry(1, []) == [0.5]


def test_a_win_counts_by_whom_it_was_won_against():
    """Both 1 and 4 lost to 2 and won once, 1 against the strongest, 4 against the weakest."""
    matches = [(0, 2, WIN), (0, 3, WIN), (1, 0, WIN), (1, 2, LOSS), (4, 3, WIN), (4, 2, LOSS)]
    chances = bradley_terry(5, matches)
    assert chances[1] > chances[4] + 0.05


def test_numbers_of_players_mean_nothing():
    matches = [(0, 1, WIN), (1, 2, (0.5, 0.5)), (0, 3, LOSS), (2, 3, (0.3, 0.7)), (1, 3, None)]
    plain = bradley_terry(4, matches)
    for order in permutations(range(4)):
        moved = bradley_terry(4, [(order[j], order[i], points and points[::-1]) for i, j, points in matches])
        assert [moved[order[i]] for i in range(4)] == pytest.approx(plain, abs=1e-9)


def test_forty_undefeated_wins_in_a_row_converge():
    chain = [(i, i + 1, WIN) for i in range(40)]
    chances = bradley_terry(41, chain)
    assert chances == sorted(chances, reverse=True)
    assert chances[20] == pytest.approx(0.5, abs=1e-9)
