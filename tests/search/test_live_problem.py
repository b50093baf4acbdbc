"""A sweep as the problem of a search: shares of the budget, costs, levels and rows."""

import numpy as np
import pytest

from ponder.orchestrator.budget import COUNTED, Budget
from ponder.orchestrator.data.sources import SimulatedData
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.types import Usage
from ponder.search.catalogue import Planner, catalogue
from ponder.search.live_problem import LiveProblem, even_levels, tenable
from ponder.search.pools.holdings import Told
from ponder.search.pools.outcomes import Outcome
from ponder.search.problem import Ask
from ponder.search.spaces.domains import Integers
from ponder.search.spaces.space import Space

SPACE = Space(options=({"kind": "self_consistency", "max_tokens": 10, "n": Integers(low=1, high=4)},))
ALL = (0, 1, 2, 3, 4)


async def problem_of(allowance: Budget, by: str = "calls", **prices: float) -> LiveProblem:
    engines = {"generator": SimulatedSpec(**prices).open()}
    planner = await Planner.of(engines, SimulatedData(size=5).load())
    return LiveProblem(SPACE, catalogue(SPACE, planner, Budget()), by, 5, allowance)


def told(composition: int, items: tuple[int, ...], value: float, **cost: float) -> Told:
    found = np.zeros(len(COUNTED))
    for name, amount in cost.items():
        found[COUNTED.index(name)] = amount
    return Told(composition, 0, items, tuple(Outcome(value, found) for _ in items), composition + 1)


async def test_prices_and_spending_are_shares_where_the_budget_is_tightest() -> None:
    problem = await problem_of(Budget(calls=100, completion_tokens=400))
    assert problem.size == 4
    assert problem.price([Ask(3, ALL)]) == 4 * 10 * 5 / 400
    assert problem.price([Ask(0, (0,)), Ask(1, (1,))]) == 3 * 10 / 400
    problem.settle(Usage(calls=50, completion_tokens=100), 0.0)
    assert problem.spent == 0.5
    problem.settle(Usage(calls=50, completion_tokens=300), 0.0)
    assert problem.spent == 0.75


async def test_a_deadline_counts_as_spending() -> None:
    problem = await problem_of(Budget(calls=100, seconds=10))
    problem.settle(Usage(calls=50), 2.0)
    assert problem.spent == 0.5
    problem.settle(Usage(calls=50), 8.0)
    assert problem.spent == 0.8
    assert (await problem_of(Budget(calls=100))).spent == 0


async def test_rows_teach_prices_and_hold_draws() -> None:
    problem = await problem_of(Budget(calls=100))
    assert problem.cost(1) == 2
    [row] = problem.take([told(1, (0, 1, 2), 0.5, calls=2)])
    assert (row.composition, row.replicate, row.items.tolist()) == (1, 0, [0, 1, 2])
    assert (row.values.tolist(), row.costs.tolist()) == ([0.5] * 3, [2] * 3)
    assert problem.price([Ask(1, (0, 1, 2))]) == 0
    assert problem.price([Ask(3, ALL)]) == (3 * 2 + 2 * 4) / 100
    assert problem.price([Ask(2, ALL), Ask(3, ALL)]) == problem.price([Ask(3, ALL)]), "a pool of 4 serves 3"
    other = problem.elsewhere(5)
    assert other.price([Ask(1, (0, 1, 2))]) == 6 / 100
    other.hold(Ask(3, ALL))
    assert other.price([Ask(1, ALL)]) == 0
    assert problem.price([Ask(3, ALL)]) == (3 * 2 + 2 * 4) / 100


async def test_money_is_in_dollars_for_levels_and_exact_in_the_budget() -> None:
    problem = await problem_of(Budget(cost_usd=0.001), "cost_usd", completion_price=1.0)
    assert problem.cost(3) == pytest.approx(4 * 10e-6)
    assert problem.price([Ask(3, ALL)]) == pytest.approx(5 * 4 * 10e-6 / 0.001)
    [row] = problem.take([told(0, (0,), 1.0, cost_usd=5_000)])
    assert row.costs.tolist() == [5e-6]
    problem.settle(Usage(nano_usd=500_000), 0.0)
    assert problem.spent == 0.5


async def test_nothing_may_be_spent_where_the_limit_is_none_at_all() -> None:
    problem = await problem_of(Budget(calls=100, verifier_calls=0))
    assert problem.price([Ask(0, (0,))]) == 0.01
    assert problem.spent == 0


async def test_levels_are_even_on_a_logarithmic_scale_and_take_in_all() -> None:
    problem = await problem_of(Budget(calls=100))
    assert even_levels(problem) == (1.05, 1.48, 2.1, 2.97, 4.2)
    assert even_levels(problem, 2) == (1.05, 4.2)
    assert [sum(problem.cost(number) <= level for number in range(4)) for level in even_levels(problem)] == [
        1,
        1,
        2,
        2,
        4,
    ]


def test_a_part_of_a_budget_is_that_of_every_limit() -> None:
    whole = Budget(calls=11, cost_usd=0.1, seconds=3.0, flops=10**15)
    assert tenable(whole, 0.8) == Budget(calls=8, cost_usd=0.1 * 0.8, seconds=3.0 * 0.8, flops=8 * 10**14)
