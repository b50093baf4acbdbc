"""Who meets whom: as many matches as stated, nobody twice, and the best found by all."""

import random
from itertools import permutations

import pytest

from ponder.verifiers.tournaments.knockout import knockout
from ponder.verifiers.tournaments.pairwise import shares
from ponder.verifiers.tournaments.round_robin import round_robin
from ponder.verifiers.tournaments.swiss import swiss

WIN, LOSS, DRAW = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)


def enough(players):
    """The rounds that name the best."""
    return (players - 1).bit_length()


SCHEDULES = {
    "round_robin": (round_robin, lambda n: n * (n - 1) // 2, lambda n: 1),
    "knockout": (knockout, lambda n: n - 1, enough),
    "swiss": (lambda n: swiss(n, enough(n)), lambda n: enough(n) * (n // 2), enough),
}


def played(schedule, result):
    """The rounds of a schedule, each the matches that were played."""
    rounds, results = [], None
    while True:
        try:
            pairs = schedule.send(results)
        except StopIteration:
            return rounds
        results = [result(i, j) for i, j in pairs]
        rounds.append([(i, j, points) for (i, j), points in zip(pairs, results, strict=True)])


def winners(count, rounds):
    won = shares(count, [match for matches in rounds for match in matches])
    return [i for i in range(count) if won[i] == max(share for share in won if share is not None)]


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("count", range(2, 34))
def test_it_takes_as_many_matches_and_rounds_as_stated(kind, count):
    schedule, matches, depth = SCHEDULES[kind]
    rounds = played(schedule(count), lambda i, j: WIN if (i * 7 + 3) % 11 > (j * 7 + 3) % 11 else LOSS)
    met = [frozenset(match[:2]) for each in rounds for match in each]
    assert len(met) == len(set(met)) == matches(count)
    assert len(rounds) == depth(count)
    for each in rounds if kind != "round_robin" else []:
        players = [player for match in each for player in match[:2]]
        assert len(players) == len(set(players))


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("count", range(2, 7))
def test_a_judge_who_never_errs_finds_the_best_from_any_seeding(kind, count):
    for worth in permutations(range(count)):
        rounds = played(SCHEDULES[kind][0](count), lambda i, j, w=worth: WIN if w[i] > w[j] else LOSS)
        assert winners(count, rounds) == [worth.index(count - 1)]


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("count", [7, 9, 15, 16])
def test_who_sits_out_is_not_forgotten(kind, count):
    """Who never lost meets who never lost, also where one of them has won less often."""
    for seed in range(40):
        worth = random.Random(seed).sample(range(count), count)
        rounds = played(SCHEDULES[kind][0](count), lambda i, j, w=worth: WIN if w[i] > w[j] else LOSS)
        assert winners(count, rounds) == [worth.index(count - 1)]


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("count", [2, 5, 8])
def test_draws_make_all_equal(kind, count):
    assert winners(count, played(SCHEDULES[kind][0](count), lambda i, j: DRAW)) == [*range(count)]


def test_byes_go_to_the_best_seeds_and_a_draw_to_the_better():
    rounds = played(knockout(6), lambda i, j: DRAW)
    assert [[match[:2] for match in each] for each in rounds] == [[(2, 5), (3, 4)], [(0, 3), (1, 2)], [(0, 1)]]
    unplayed = played(knockout(3), lambda i, j: None)
    assert [[match[:2] for match in each] for each in unplayed] == [[(1, 2)], [(0, 1)]]


@pytest.mark.parametrize("count", range(2, 20))
def test_swiss_repeats_no_match_and_misses_none_up_to_half_as_many_rounds_as_players(count):
    chance = random.Random(count)
    for rounds in range(1, count // 2 + 1):
        matches = played(swiss(count, rounds), lambda i, j: chance.choice([WIN, LOSS, DRAW, None]))
        met = [frozenset(match[:2]) for each in matches for match in each]
        assert len(met) == len(set(met)) == rounds * (count // 2)


@pytest.mark.parametrize("count", range(3, 16, 2))
def test_nobody_sits_out_twice_while_another_has_not(count):
    rounds = played(swiss(count, count // 2), lambda i, j: WIN)
    out = [next(iter({*range(count)} - {player for match in each for player in match[:2]})) for each in rounds]
    assert len(out) == len(set(out))


@pytest.mark.parametrize("kind", SCHEDULES)
def test_one_player_meets_nobody(kind):
    assert played(SCHEDULES[kind][0](1), lambda i, j: WIN) in ([], [[]])


def test_swiss_ends_where_everybody_has_met():
    rounds = played(swiss(4, 64), lambda i, j: WIN if i < j else LOSS)
    assert sum(map(len, rounds)) == 6
    assert played(swiss(2, 5), lambda i, j: WIN) == [[(0, 1, WIN)]]


def test_neighbours_in_the_standing_meet():
    rounds = played(swiss(8, 3), lambda i, j: WIN if i < j else LOSS)
    pairs = [[match[:2] for match in each] for each in rounds]
    assert pairs[0] == [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert pairs[1] == [(0, 2), (4, 6), (1, 3), (5, 7)]
    assert pairs[2][0] == (0, 4)
