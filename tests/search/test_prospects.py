"""What a search that has ended lets expect of compositions that it did not measure."""

import numpy as np

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.data.sources import SimulatedData
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.search.catalogue import Planner, catalogue
from ponder.search.decisions.evidence import Evidence
from ponder.search.live_problem import LiveProblem
from ponder.search.problem import Choice, Decision, Row
from ponder.search.reports.prospects import prospects
from ponder.search.spaces.domains import Integers
from ponder.search.spaces.space import Space

SPACE = Space(options=({"kind": "self_consistency", "max_tokens": 10, "n": Integers(low=1, high=64, log=True)},))
ITEMS = 60
ONE, TWO, FOUR, EIGHT, SIXTEEN = range(5)


def rising(number: int, items: int = ITEMS) -> Row:
    """A composition that is right on the first items, on more of them the more it draws."""
    return Row(number, 0, np.arange(items), (np.arange(items) < 20 + 5 * number).astype(float), np.ones(items))


async def told(estimate: float, rows: list[Row], tied: tuple[int, ...] = ()) -> tuple[str, ...]:
    planner = await Planner.of({"generator": SimulatedSpec().open()}, SimulatedData(size=5).load())
    problem = LiveProblem(SPACE, catalogue(SPACE, planner, Budget()), "calls", ITEMS, Budget(calls=10_000))
    problem.levels = (16.0,)
    evidence = Evidence(ITEMS)
    evidence.add(rows)
    decision = Decision((Choice(16.0, SIXTEEN, estimate, tied),), "the budget is spent")
    strategies = [point.strategy for point in problem.points]
    return prospects(problem, evidence, decision, strategies, SPACE.columns)


async def test_what_is_expected_to_be_better_is_offered_and_nothing_else() -> None:
    rows = [rising(number) for number in range(5)]
    *offers, _ = await told(0.7, rows)
    assert [offer.partition(":")[0] for offer in offers] == ["vote of 64, T 1", "vote of 32, T 1"]
    nothing, _ = await told(0.95, rows)
    assert nothing.startswith("nothing that was not measured is expected to be better than the choice of the highest")


async def test_the_leaders_are_compared_where_they_share_many_queries() -> None:
    few, many = rising(EIGHT, 29), rising(FOUR)
    assert few.values.mean() > many.values.mean()
    for rows, apart in (([many, few], 16.7), ([few], 0.0)):
        *_, gap = await told(0.7, [rising(SIXTEEN), *rows], tied=(FOUR, EIGHT))
        assert gap.startswith(f"The leaders are {apart} points apart")
