"""The searches from the literature: none of the faults of Archon's own code, and each does what it is named after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from ponder.search.baselines.greedy import Greedy, one_knob_away
from ponder.search.baselines.itas import Itas
from ponder.search.baselines.random_search import RandomSearch
from ponder.search.baselines.successive_halving import SuccessiveHalving
from ponder.search.baselines.surrogate import Surrogate
from ponder.search.baselines.tuned_bo import TunedBO
from ponder.search.decisions.gaussian_process import GaussianProcess
from ponder.search.problem import Row, Searcher
from ponder.search.worlds.archon_points import archon_points
from ponder.search.worlds.archon_world import ArchonWorld
from ponder.search.worlds.table_world import TableWorld
from ponder.search.worlds.world_problem import WorldProblem, drive

WORLD = ArchonWorld(2)
ENDLESS = 10**9
SEARCHERS: dict[str, Searcher] = {
    "ITAS": Itas(initial=20, evaluations=45, refit_every=10),
    "tuned BO": TunedBO(initial=10, evaluations=35),
    "random": RandomSearch(evaluations=45),
    "greedy": Greedy(evaluations=45),
    "successive halving": SuccessiveHalving(compositions=16),
}


def problem(budget: int = ENDLESS, *, items: int = 24, levels: Sequence[float] = (20,), reuse: bool = False):
    return WorldProblem(WORLD, levels, budget, items=items, seed=4, reuse=reuse)


def seen_by(searcher: Searcher, place: WorldProblem, seed: int = 0):
    """The decision, and the values of each composition that was measured on all items."""
    rows: list[Row] = []
    decision = drive(searcher, place, seed, rows.extend)
    values: dict[int, dict[int, float]] = {}
    for row in rows:
        values.setdefault(row.composition, {}).update(zip(row.items.tolist(), row.values.tolist(), strict=True))
    whole = {number: np.mean(list(of.values())) for number, of in values.items() if len(of) == place.items}
    return decision, whole, rows


@pytest.mark.parametrize("name", SEARCHERS)
def test_each_runs_to_its_end_and_decides_the_same_again(name: str) -> None:
    first, second = (seen_by(SEARCHERS[name], problem())[0] for _ in range(2))
    assert first == second and len(first.choices) == 1 and first.reason
    assert first != seen_by(SEARCHERS[name], problem(), seed=1)[0]


@pytest.mark.parametrize("name", [name for name in SEARCHERS if name != "tuned BO"])
def test_the_final_ranking_keeps_the_best_seen(name: str) -> None:
    decision, whole, _ = seen_by(SEARCHERS[name], problem())
    assert whole[decision.choices[0].composition] == decision.choices[0].estimate == max(whole.values())


@pytest.mark.parametrize("name", SEARCHERS)
def test_nothing_is_measured_twice_where_nothing_new_is_learnt(name: str) -> None:
    _, _, rows = seen_by(SEARCHERS[name], problem())
    cells = Counter((row.composition, item) for row in rows for item in row.items.tolist())
    assert max(cells.values()) == 1


@pytest.mark.parametrize("name", SEARCHERS)
def test_nothing_above_the_limit_is_ever_scored_and_no_score_is_invented(name: str) -> None:
    decision, whole, rows = seen_by(SEARCHERS[name], problem(levels=(10, 20)))
    assert all((row.costs <= 20).all() and (row.values >= 0).all() for row in rows)
    assert [choice.level for choice in decision.choices] == ([20] if name == "successive halving" else [10, 20])
    for choice in decision.choices:
        assert choice.composition in whole and problem(levels=(10, 20)).cost(choice.composition) <= choice.level


@pytest.mark.parametrize("name", SEARCHERS)
@pytest.mark.parametrize("budget", [10, 700, 1200])
def test_a_budget_that_ends_ends_the_search_with_what_was_measured_whole(name: str, budget: int) -> None:
    place = problem(budget)
    decision, whole, _ = seen_by(SEARCHERS[name], place)
    assert place.calls <= budget
    assert decision.reason == "the budget has ended"
    if name != "successive halving":
        assert {choice.composition for choice in decision.choices} <= set(whole)
        assert bool(decision.choices) == bool(whole)


@pytest.mark.parametrize("name", ["ITAS", "tuned BO", "random", "greedy"])
def test_the_number_of_evaluations_is_kept_and_a_small_space_is_tried_whole(name: str) -> None:
    _, whole, _ = seen_by(SEARCHERS[name], problem())
    assert len(whole) == SEARCHERS[name].model_dump()["evaluations"]
    decision, whole, _ = seen_by(type(SEARCHERS[name])(), problem(levels=(5,)))
    assert len(whole) == problem(levels=(5,)).size and decision.reason == "every composition was tried"


def test_every_knob_is_searched() -> None:
    for name in ("ITAS", "random", "greedy"):
        place = problem()
        _, whole, _ = seen_by(SEARCHERS[name], place)
        tried = np.array([place.points[number] for number in whole])
        assert all(len(np.unique(column)) > 1 for column in tried.T), name


def test_with_reuse_the_same_search_pays_less() -> None:
    fresh, shared = problem(), problem(reuse=True)
    drive(SEARCHERS["random"], fresh, 0)
    drive(SEARCHERS["random"], shared, 0)
    assert shared.calls < 0.75 * fresh.calls


def test_itas_takes_a_lucky_mean_for_the_truth_and_tuned_bo_does_not() -> None:
    gaps = {"ITAS": [], "tuned BO": []}
    for name, found in gaps.items():
        for seed in range(3):
            place = problem(items=40)
            choice = seen_by(SEARCHERS[name], place, seed)[0].choices[0]
            truth = WORLD.run(np.tile(np.arange(1000), 4), 99).is_right(place.points[choice.composition], 0).mean()
            found.append(choice.estimate - truth)
    assert np.mean(gaps["ITAS"]) > 0.04
    assert np.mean(gaps["tuned BO"]) < np.mean(gaps["ITAS"]) - 0.02


def test_greedy_climbs_one_knob_at_a_time_to_where_nothing_near_is_better() -> None:
    steps = np.array([sum(point[:5]) for point in archon_points()], dtype=float)
    world = TableWorld(np.interp(steps, (steps.min(), steps.max()), (0.02, 0.98)), 0)
    place = WorldProblem(world, (20,), ENDLESS, items=300)
    best = max(sum(point[:5]) for point in place.points)
    choice = drive(Greedy(evaluations=250), place, 1).choices[0]
    assert sum(place.points[choice.composition][:5]) >= best - 2


def test_a_neighbour_has_another_value_of_a_knob_and_is_the_nearest_that_has() -> None:
    place = problem()
    start = place.points.index(next(point for point in place.points if point == (2, 2, 0, 0, 0, 0)))
    near = {place.points[number] for number in one_knob_away(place.features, start)}
    assert {(3, 2, 0, 0, 0, 0), (2, 3, 0, 0, 0, 0), (2, 2, 0, 0, 1, 0), (2, 2, 0, 0, 0, 1), (2, 2, 1, 2, 0, 0)} <= near
    assert (2, 2, 0, 0, 0, 0) not in near


def test_successive_halving_spends_the_most_items_on_the_best() -> None:
    place = problem(levels=(20,))
    _, _, rows = seen_by(SuccessiveHalving(compositions=16, halvings=3), place)
    items = Counter[int]()
    for row in rows:
        items[row.composition] += len(row.items)
    assert sorted(items.values()) == [3] * 8 + [6] * 4 + [12] * 2 + [24] * 2


def test_a_surrogate_that_grows_believes_what_one_conditioned_anew_does() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 4)), rng.random(60)
    noise = np.full(60, 0.02)
    process = GaussianProcess.fit(x[:20], y[:20], noise[:20])
    grown = Surrogate(x, process, y[:20], 10)
    for number in range(20, 30):
        grown.add(number, y[number], noise[number])
    for found, expected in zip(
        grown.predict(), process.conditioned(x[:30], y[:30], noise[:30]).predict(x), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)
