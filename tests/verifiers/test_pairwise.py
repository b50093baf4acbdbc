"""A match is won only where both orders agree, and playing more gains nothing."""

from itertools import combinations

import pytest

from ponder.verifiers.tournaments.pairwise import HALVES, outcome, points, shares


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("so\n[1]", "[2]", (1.0, 0.0)),
        ("[2]", "[1]", (0.0, 1.0)),
        ("[Tie]", "[Tie]", (0.5, 0.5)),
        ("[1]", "[1]", (0.0, 0.0)),
        ("[1]", "[Tie]", (0.0, 0.0)),
        ("[1]", "", None),
        ("the first", "[2]", None),
        ("[1] or [2]", "[2]", None),
    ],
)
def test_both_orders_must_agree(first, second, expected):
    assert points(first, second) == expected


def test_a_judge_who_likes_the_first_favours_nobody():
    matches = [(i, j, points("[1]", "[1]")) for i, j in combinations(range(4), 2)]
    assert shares(4, matches) == [0.0] * 4


def test_an_oracle_finds_the_best_and_its_order():
    worth = [2, 9, 4, 7]
    oracle = [
        (i, j, points("[1]", "[2]") if worth[i] > worth[j] else points("[2]", "[1]"))
        for i, j in combinations(range(4), 2)
    ]
    assert shares(4, oracle) == [0.0, 1.0, pytest.approx(1 / 3), pytest.approx(2 / 3)]


def test_points_are_by_matches_played():
    assert shares(3, [(0, 1, (1.0, 0.0)), (1, 2, None), (0, 2, None)]) == [1.0, 0.0, None]
    assert shares(1, []) == [None]


@pytest.mark.parametrize("second", ["[1]", "[2]", "[Tie]"])
@pytest.mark.parametrize("first", ["[1]", "[2]", "[Tie]"])
def test_exchanging_two_responses_exchanges_their_points(first, second):
    mirrored = {"first": "second", "second": "first"}
    who, again = outcome(first, second), outcome(second, first)
    assert again == mirrored.get(who, who)
    assert HALVES[again] == HALVES[who][::-1]
    assert sum(HALVES[who]) == 1.0
    assert points(first, second) == ((0.0, 0.0) if who == "inconsistent" else HALVES[who])
