"""Model moves: the optimum in one cycle where roles are separable, an end that is no worse where they are not."""

import itertools

import numpy as np
import pytest

from ponder.search.decisions.evidence import Evidence
from ponder.search.decisions.model_moves import ModelMoves, swaps_of
from ponder.search.problem import Row

MODELS, ROLES, ITEMS = "abcd", ("draws", "judges", "fuses"), 40
ALLOCATIONS = list(itertools.product(range(len(MODELS)), repeat=len(ROLES)))
CHOICES = [dict(zip(ROLES, (MODELS[i] for i in allocation), strict=True)) for allocation in ALLOCATIONS]
SWAPS = swaps_of(CHOICES, ROLES)


class Planted:
    """Every allocation of models to roles, with a known value on every item."""

    levels = (20.0,)
    items = ITEMS
    size = len(ALLOCATIONS)
    spent = 0.0

    def __init__(self, values, costs=None):
        self.values = values
        self.costs = np.full(self.size, 10.0) if costs is None else costs
        self.features, self.families = np.zeros((self.size, 0)), np.zeros(self.size, dtype=np.intp)

    def cost(self, composition):
        return float(self.costs[composition])

    def price(self, asks):
        return 0.0

    def row(self, number, items=ITEMS):
        return Row(number, 0, np.arange(items), self.values[number, :items], np.full(items, self.costs[number]))


def climb(planted, start, rounds=100):
    """Measure whatever is proposed until nothing is; where it got, and what was measured besides the start."""
    moves, evidence, rng = ModelMoves(SWAPS), Evidence(ITEMS), np.random.default_rng(0)
    evidence.add([planted.row(start)])
    while rounds and (wanted := moves.propose(planted, evidence, [start], rng)):
        evidence.add([planted.row(number) for number in wanted])
        rounds -= 1
    return moves.ascend(planted, evidence, start).reached, len(evidence.compositions) - 1


def separable(rng):
    skill = rng.permuted(np.tile([0.0, 0.1, 0.2, 0.3], (len(ROLES), 1)), axis=1)
    chances = np.array([sum(skill[role, model] for role, model in enumerate(a)) for a in ALLOCATIONS])
    return chances[:, None] + 0.1 * rng.random(ITEMS)


@pytest.mark.parametrize("seed", range(20))
def test_separable_roles_reach_the_optimum_in_one_cycle(seed):
    rng = np.random.default_rng(seed)
    planted = Planted(separable(rng))
    start = int(rng.integers(planted.size))
    best = planted.values.mean(axis=1).argmax()
    assert climb(planted, start, rounds=len(ROLES)) == (best, len(ROLES) * (len(MODELS) - 1))
    reached, measured = climb(planted, start)
    assert reached == best
    assert measured <= 2 * len(ROLES) * (len(MODELS) - 1)  # a second cycle sees that nothing changes


@pytest.mark.parametrize("values", ["shares", "right or wrong"])
def test_roles_that_depend_on_one_another_end_no_worse(values):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        table = rng.random((len(ALLOCATIONS), ITEMS))
        planted = Planted(table if values == "shares" else (table < 0.6).astype(float))
        start = int(rng.integers(planted.size))
        reached, measured = climb(planted, start)
        means = planted.values.mean(axis=1)
        assert means[reached] >= means[start]
        assert measured < planted.size
        if values == "right or wrong":  # there the most items are the best mean
            assert means[reached] == max(means[number] for group in SWAPS[reached] for number in group)


def test_the_most_items_count_for_more_than_the_mean():
    values = np.full((len(ALLOCATIONS), ITEMS), 0.2)
    one, other = SWAPS[0][0][1:3]
    values[one, :] = 0.3  # the best on 30 items
    values[other, :10] = 1.0  # the best on 10, with the better mean
    planted, evidence = Planted(values), Evidence(ITEMS)
    evidence.add([planted.row(number) for number in range(planted.size)])
    assert values[other].mean() > values[one].mean()
    assert ModelMoves({0: (SWAPS[0][0],), one: (SWAPS[one][0],)}).ascend(planted, evidence, 0).reached == one


def test_ties_go_to_the_cheaper_and_then_to_the_one_that_plays_the_role():
    costs = np.full(len(ALLOCATIONS), 10.0)
    evidence, values = Evidence(ITEMS), np.full((len(ALLOCATIONS), ITEMS), 0.5)
    evidence.add([Planted(values).row(number) for number in range(len(ALLOCATIONS))])
    moves = ModelMoves(SWAPS)
    assert moves.ascend(Planted(values, costs), evidence, 5).reached == 5
    costs[SWAPS[5][1][0]] = 9.0
    assert moves.ascend(Planted(values, costs), evidence, 5).reached == SWAPS[5][1][0]


def test_a_model_that_costs_more_than_the_level_is_not_tried():
    costs = np.full(len(ALLOCATIONS), 10.0)
    dear = SWAPS[0][0][1]
    costs[dear] = 21.0
    evidence, planted = Evidence(ITEMS), Planted(np.zeros((len(ALLOCATIONS), ITEMS)), costs)
    evidence.add([planted.row(0)])
    assert ModelMoves(SWAPS).propose(planted, evidence, [0], np.random.default_rng(0)) == list(SWAPS[0][0][2:])


def test_a_model_seen_on_fewer_items_takes_no_role():
    values = np.zeros((len(ALLOCATIONS), ITEMS))
    lucky = SWAPS[0][0][1]
    values[lucky] = 1.0
    planted, evidence = Planted(values), Evidence(ITEMS)
    evidence.add([planted.row(number, ITEMS if number != lucky else 15) for number in range(planted.size)])
    assert ModelMoves(SWAPS).ascend(planted, evidence, 0).reached == 0


def test_roles_that_a_composition_lacks_are_not_swapped():
    swaps = swaps_of([{"n": 1, "draws": "a"}, {"n": 1, "draws": "b"}, {"n": 2, "draws": "a"}, {"n": 3}], ["draws"])
    assert swaps == {0: ((0, 1),), 1: ((0, 1),), 2: ((2,),), 3: ()}
    planted = Planted(np.zeros((len(ALLOCATIONS), ITEMS)))
    assert ModelMoves(swaps).propose(planted, Evidence(ITEMS), [3], np.random.default_rng(0)) == []
