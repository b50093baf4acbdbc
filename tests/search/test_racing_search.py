"""The racing search on small problems whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError

from ponder.search.decisions.evidence import Evidence
from ponder.search.decisions.racing_search import RacingSearch
from ponder.search.problem import Ask, Choice, Decision, Floats, Indices, Problem, Row, Searcher

SIDE = 8
GRID = np.array(list(product(range(SIDE), range(SIDE), range(2))), dtype=np.float64) / [SIDE - 1, SIDE - 1, 1]
PLANTED = 2 * (5 * SIDE + 3)  # first knob 5, second 3, third 0


def hill(knobs: Floats = GRID) -> Floats:
    """Accuracies that fall from 0.95 away from one point, and where the last knob is on."""
    return 0.95 - 1.2 * (knobs[:, 0] - 5 / 7) ** 2 - 0.8 * (knobs[:, 1] - 3 / 7) ** 2 - 0.15 * knobs[:, 2]


class Grid:
    """Compositions on a grid; a query costs more with every knob.

    Args:
        accuracies: of each composition.
        items, levels: of the problem.
        budget: what all measurements may cost together.
        seed: decides all answers.
    """

    def __init__(
        self,
        accuracies: Floats,
        *,
        items: int = 60,
        levels: tuple[float, ...] = (20.0,),
        budget: float = 60_000,
        seed: int = 0,
    ) -> None:
        self.features: Floats = GRID[: len(accuracies)]
        self.families: Indices = np.zeros(len(accuracies), dtype=np.intp)
        self.size, self.items, self.levels, self.budget = len(accuracies), items, levels, budget
        self.prices = 2 + 8 * self.features.sum(axis=1)
        self.accuracies, self.seed, self.paid = accuracies, seed, 0.0
        self.asked: list[Ask] = []

    @property
    def spent(self) -> float:
        return self.paid / self.budget

    def cost(self, composition: int) -> float:
        return float(self.prices[composition])

    def price(self, asks: Sequence[Ask]) -> float:
        return sum(self.cost(ask.composition) * len(ask.items) for ask in asks) / self.budget

    def measure(self, asks: Sequence[Ask]) -> list[Row]:
        rows = []
        for ask in asks:
            self.asked.append(ask)
            room = int((self.budget - self.paid) // self.cost(ask.composition))
            if room > 0:
                rows.append(self.row(ask.composition, ask.items[:room], ask.replicate))
                self.paid += self.cost(ask.composition) * len(rows[-1].items)
        return rows

    def row(self, composition: int, items: Sequence[int], replicate: int) -> Row:
        draws = np.random.default_rng((self.seed, composition, replicate)).random(self.items)[list(items)]
        right = (draws < self.accuracies[composition]).astype(np.float64)
        return Row(composition, replicate, np.array(items), right, np.full(len(items), self.cost(composition)))


def run(problem: Grid, seed: int = 0, knobs: RacingSearch | None = None) -> Decision:
    return drive(problem, problem.measure, seed, knobs or RacingSearch())


def drive(problem: Problem, measure: Callable[[Sequence[Ask]], list[Row]], seed: int, knobs: Searcher) -> Decision:
    search = knobs.search(problem, seed)
    try:
        asks = next(search)
        while True:
            asks = search.send(measure(asks))
    except StopIteration as end:
        decision: Decision = end.value
        return decision


def regret(problem: Grid, choice: Choice) -> float:
    able = problem.prices <= choice.level
    assert able[choice.composition]
    return float(problem.accuracies[able].max() - problem.accuracies[choice.composition])


def test_a_planted_best_is_found_for_a_fraction_of_trying_all() -> None:
    problem = Grid(hill(), items=100, budget=40_000)
    assert problem.accuracies.argmax() == PLANTED
    (choice,) = run(problem).choices
    assert regret(problem, choice) <= 0.02
    assert choice.estimate == pytest.approx(problem.accuracies[choice.composition], abs=0.05)
    everything = problem.budget * problem.price([Ask(c, tuple(range(100))) for c in range(problem.size)])
    assert problem.paid < everything / 3


def test_no_composition_is_compared_on_fewer_than_15_items() -> None:
    problem = Grid(hill(), items=100)
    run(problem)
    first: dict[int, Ask] = {}
    for ask in problem.asked:
        first.setdefault(ask.composition, ask)
    assert min(len(ask.items) for ask in first.values()) >= 15
    with pytest.raises(ValidationError):
        RacingSearch(steps=(10, 60))


def test_what_is_measured_climbs_through_items_then_replicates() -> None:
    problem = Grid(hill(), items=100)
    run(problem)
    evidence = Evidence(100)
    for ask in problem.asked:
        unknown = np.flatnonzero(np.isnan(evidence.values(ask.composition)))
        replicates = evidence.replicates(ask.composition)
        if len(unknown):
            assert ask.items == tuple(unknown[: len(ask.items)]) and ask.replicate in (replicates or [ask.replicate])
        else:
            assert ask.items == tuple(range(100)) and ask.replicate not in replicates
        evidence.add([problem.row(ask.composition, ask.items, ask.replicate)])
    assert max(len(evidence.replicates(each)) for each in evidence.compositions) > 1
    assert len({ask.replicate for ask in problem.asked}) >= 4  # no single pool's luck is shared by all


def test_a_roomy_budget_begins_with_all_items() -> None:
    tight, roomy = Grid(hill(), items=100, budget=60_000), Grid(hill(), items=100, budget=300_000)
    looks = [{len(ask.items) for ask in next(RacingSearch().search(problem, 0))} for problem in (tight, roomy)]
    assert looks == [{30}, {100}]


def test_the_pilot_keeps_to_its_share_and_sees_every_price() -> None:
    problem = Grid(hill(), items=100)
    asks = next(RacingSearch().search(problem, 0))
    assert 0 < problem.price(asks) <= 0.125
    costs = [problem.cost(ask.composition) for ask in asks]
    assert min(costs) == problem.prices.min() and max(costs) > 0.8 * 20


def test_a_pilot_that_costs_too_much_begins_with_what_is_cheap() -> None:
    problem = Grid(hill(), items=100, levels=(8.0, 12.0, 20.0), budget=2_400)
    asks = next(RacingSearch().search(problem, 0))
    assert 1 < len(asks) < 6 and problem.price(asks) <= 0.5
    assert problem.cost(asks[0].composition) == problem.prices.min()
    poor = Grid(hill(), items=100, budget=100)
    assert [ask.composition for ask in next(RacingSearch().search(poor, 0))] == [0]


def test_where_all_are_tied_it_returns_the_cheapest_and_stops_early() -> None:
    for seed in range(3):
        problem = Grid(np.full(len(GRID), 0.8), items=100, budget=200_000, seed=seed)
        decision = run(problem, seed)
        assert decision.choices[0].composition == 0 == problem.prices.argmin()
        assert problem.spent < 0.6
        assert "cheapest" in decision.reason


def test_identical_values_end_it_at_the_cheapest() -> None:
    for value in (0.0, 1.0):
        problem = Grid(np.full(len(GRID), value))
        decision = run(problem)
        assert decision.choices[0].composition == 0
        assert problem.spent < 0.5
        assert np.isfinite(decision.choices[0].estimate)


def test_several_levels_share_one_search() -> None:
    problem = Grid(hill(), items=100, levels=(8.0, 12.0, 20.0), budget=80_000)
    choices = run(problem).choices
    assert [choice.level for choice in choices] == [8.0, 12.0, 20.0]
    assert all(regret(problem, choice) <= 0.04 for choice in choices)
    assert all(list(c.tied) == sorted(c.tied, key=problem.cost) and c.composition not in c.tied for c in choices)


def test_a_level_that_nothing_fits_has_no_choice() -> None:
    problem = Grid(hill(), levels=(1.0, 20.0))
    assert [choice.level for choice in run(problem).choices] == [20.0]


def test_the_same_rows_lead_to_the_same_decisions() -> None:
    first, second, other = (Grid(hill()) for _ in range(3))
    assert run(first, 3) == run(second, 3)
    assert first.asked == second.asked
    run(other, 4)
    assert other.asked != first.asked


def test_the_budget_is_never_asked_for_more_than_it_has() -> None:
    problem = Grid(hill(), budget=9_000)
    decision = run(problem)
    asked = sum(len(ask.items) * problem.cost(ask.composition) for ask in problem.asked)
    assert asked <= 9_000
    assert "budget" in decision.reason


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_a_batch_that_comes_back_short_ends_it(kept: int) -> None:
    problem = Grid(hill())
    search = RacingSearch().search(problem, 0)
    rows = problem.measure(next(search))[:kept]
    with pytest.raises(StopIteration) as end:
        search.send(rows)
    assert len(end.value.value.choices) == (1 if kept else 0)
    assert "budget" in end.value.value.reason


def test_by_products_are_used() -> None:
    problem = Grid(hill(), items=100, budget=6_000)

    def measure(asks: Sequence[Ask]) -> list[Row]:
        free = [problem.row(PLANTED, range(100), replicate) for replicate in range(4)]
        return problem.measure(asks) + free

    (choice,) = drive(problem, measure, 0, RacingSearch()).choices
    assert all(ask.composition != PLANTED or ask.replicate > 3 for ask in problem.asked)
    assert regret(problem, choice) <= 0.02


def test_costs_that_turn_out_higher_leave_the_level() -> None:
    problem = Grid(hill(), items=100)

    def measure(asks: Sequence[Ask]) -> list[Row]:
        rows = problem.measure(asks)
        problem.prices = np.where(GRID[:, 2] == 0, 25.0, problem.prices)  # all without the last knob leave
        return rows

    (choice,) = drive(problem, measure, 0, RacingSearch()).choices
    assert GRID[choice.composition, 2] == 1


@pytest.mark.parametrize(("size", "items"), [(1, 60), (1, 1), (2, 14), (len(GRID), 1), (len(GRID), 20)])
def test_small_problems_come_to_an_end(size: int, items: int) -> None:
    problem = Grid(hill()[:size], items=items, budget=2_000)
    (choice,) = run(problem).choices
    assert 0 <= choice.estimate <= 1 and choice.composition < size
    assert all(max(ask.items) < items for ask in problem.asked)


def test_proposals_of_others_are_measured_too() -> None:
    class Corner:
        def propose(
            self, problem: Problem, evidence: Evidence, incumbents: Sequence[int], rng: np.random.Generator
        ) -> list[int]:
            assert incumbents and set(incumbents) <= set(evidence.compositions)
            return [127]

    problem = Grid(hill(), levels=(30.0,))
    search = RacingSearch().search(problem, 0, [Corner()])
    asks = search.send(problem.measure(next(search)))
    assert 127 in [ask.composition for ask in asks] and len(asks) <= RacingSearch().batch


def test_a_composition_may_join_while_the_search_runs() -> None:
    problem = Grid(hill()[:64], items=100)

    class Newcomer:
        def propose(
            self, problem_: Problem, evidence: Evidence, incumbents: Sequence[int], rng: np.random.Generator
        ) -> list[int]:
            if problem.size == 64:
                problem.features, problem.accuracies = GRID[:65], np.append(hill()[:64], 1.0)
                problem.prices, problem.size = np.append(problem.prices, 3.0), 65
                return [64]
            return []

    search = RacingSearch().search(problem, 0, [Newcomer()])
    asks = search.send(problem.measure(next(search)))
    assert asks[1].composition == 64
    with pytest.raises(StopIteration) as end:
        while True:
            asks = search.send(problem.measure(asks))
    assert end.value.value.choices[0].composition == 64


def test_a_small_pilot_that_fails_throughout_does_not_end_a_search_that_can_go_on() -> None:
    """The cheap compositions are all wrong: that says nothing of those which no small pilot could pay for."""
    accuracies = np.where(np.arange(len(GRID)) == PLANTED, 0.9, 0.0)
    problem = Grid(accuracies, budget=30_000)
    knobs = RacingSearch(pilot_share=0.02)
    assert len(run_pilot(problem, knobs)) < 8
    run(problem, knobs=knobs)
    assert len({ask.composition for ask in problem.asked}) >= knobs.pilot


def run_pilot(problem: Grid, knobs: RacingSearch) -> list[Ask]:
    return list(next(knobs.search(problem, 0)))
