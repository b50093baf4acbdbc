"""Which composition leads at each level while a search goes on."""

import numpy as np

from ponder.search.decisions.evidence import Evidence
from ponder.search.leaders import leaders
from ponder.search.problem import Row
from ponder.search.worlds.table_world import tied_world
from ponder.search.worlds.world_problem import WorldProblem
from ponder.strategies import SelfConsistency

PROBLEM = WorldProblem(tied_world(0), [5, 20], 1000, items=20)
STRATEGIES = [SelfConsistency(n=number + 2, temperature=0.5) for number in range(PROBLEM.size)]
COSTS = np.array([PROBLEM.cost(number) for number in range(PROBLEM.size)])
CHEAP, DEAR = int(np.argmin(COSTS)), int(np.argmax(COSTS))


def seen(*rows: tuple[int, int, int]) -> Evidence:
    """Evidence of compositions: number, items it was seen on, right ones among them."""
    evidence = Evidence(PROBLEM.items)
    for number, items, right in rows:
        values = np.array([1.0] * right + [0.0] * (items - right))
        evidence.add([Row(number, 0, np.arange(items), values, values)])
    return evidence


def test_the_highest_mean_leads_within_each_level() -> None:
    low, high = leaders(PROBLEM, seen((CHEAP, 20, 12), (DEAR, 15, 12)), STRATEGIES)
    assert (low.level, low.name, low.cost) == (5, f"vote of {CHEAP + 2}, T 0.5", COSTS[CHEAP])
    assert (low.estimate.items, low.estimate.accuracy) == (20, 0.6)
    assert low.estimate.low < 0.6 < low.estimate.high
    assert (high.level, high.name, high.estimate.accuracy) == (20, f"vote of {DEAR + 2}, T 0.5", 0.8)


def test_what_is_as_good_and_cheaper_leads() -> None:
    assert [leader.cost for leader in leaders(PROBLEM, seen((CHEAP, 20, 12), (DEAR, 20, 12)), STRATEGIES)] == [
        *(COSTS[CHEAP], COSTS[CHEAP]),
    ]


def test_what_was_seen_on_fewer_than_fifteen_leads_nothing() -> None:
    assert leaders(PROBLEM, seen((CHEAP, 14, 14)), STRATEGIES) == ()
    assert leaders(PROBLEM, Evidence(PROBLEM.items), STRATEGIES) == ()
