"""What is confirmed: the choices first, then the baselines of equal cost, then the cheapest tied."""

import numpy as np

from ponder.search.confirmation import baselines, to_confirm
from ponder.search.decisions.evidence import Evidence
from ponder.search.problem import Choice, Row
from ponder.strategies import AdaptiveConsistency, BestOfN, Sample, SelfConsistency
from ponder.verifiers import ProcessReward

REWARD = ProcessReward()
ONE, COLD, VOTE4, VOTE16, BEST4, WEIGHTED4, SURE = range(7)
STRATEGIES = [
    Sample(),
    Sample(temperature=0.1),
    SelfConsistency(n=4),
    SelfConsistency(n=16),
    BestOfN(n=4, verifier=REWARD),
    BestOfN(n=4, verifier=REWARD, weighted=True),
    AdaptiveConsistency(n=16),
]
COSTS = [10, 10, 40, 160, 60, 60, 90]


def evidence(seen: dict[int, tuple[float, int]], items: int = 10) -> Evidence:
    """So high a mean on so many items."""
    found = Evidence(items)
    for number, (mean, count) in seen.items():
        values = np.full(count, mean)
        found.add([Row(number, 0, np.arange(count), values, values)])
    return found


def test_the_best_baseline_of_each_kind_that_costs_no_more() -> None:
    seen = evidence(
        {ONE: (0.4, 10), COLD: (0.5, 10), VOTE4: (0.6, 10), VOTE16: (0.7, 10), BEST4: (0.5, 10), SURE: (0.9, 10)}
    )
    assert baselines(seen, STRATEGIES, COSTS, 60) == {"single draw": COLD, "vote": VOTE4, "best of N": BEST4}
    assert baselines(seen, STRATEGIES, COSTS, 1000)["vote"] == VOTE16
    assert baselines(seen, STRATEGIES, COSTS, 10) == {"single draw": COLD}
    assert baselines(evidence({}), STRATEGIES, COSTS, 1000) == {}


def test_what_was_seen_on_few_queries_comes_after_what_was_seen_on_more() -> None:
    assert baselines(evidence({ONE: (0.4, 5), COLD: (0.9, 4)}), STRATEGIES, COSTS, 60) == {"single draw": ONE}


def test_equals_are_parted_by_cost_and_then_by_name_wherever_they_stand() -> None:
    seen = evidence({BEST4: (0.5, 10), WEIGHTED4: (0.5, 10)})
    assert baselines(seen, STRATEGIES, [*COSTS[:5], 59, 90], 60) == {"best of N": WEIGHTED4}
    first = max((BEST4, WEIGHTED4), key=lambda number: STRATEGIES[number].id)
    assert baselines(seen, STRATEGIES, COSTS, 60) == {"best of N": first}
    turned = {6 - number: seen.values(number) for number in (BEST4, WEIGHTED4)}
    other = Evidence(10)
    other.add([Row(number, 0, np.arange(10), values, values) for number, values in turned.items()])
    assert baselines(other, STRATEGIES[::-1], COSTS[::-1], 60) == {"best of N": 6 - first}


def test_the_most_important_is_confirmed_first_and_each_once() -> None:
    seen = evidence({ONE: (0.4, 10), VOTE4: (0.6, 10), BEST4: (0.5, 10), SURE: (0.9, 10)})
    choices = [Choice(50, VOTE4, 0.6, (ONE,)), Choice(100, SURE, 0.9, (BEST4, VOTE4))]
    assert to_confirm(choices, seen, STRATEGIES, COSTS) == [VOTE4, SURE, ONE, BEST4]
    assert to_confirm([Choice(100, SURE, 0.9)], seen, STRATEGIES, COSTS) == [SURE, ONE, VOTE4, BEST4]
    assert to_confirm([], seen, STRATEGIES, COSTS) == []
