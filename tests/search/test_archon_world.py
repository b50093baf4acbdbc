"""The simulated worlds: the published counts, shared calls paid once, chance that can be repeated, a hard budget."""

from __future__ import annotations

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.search.problem import Ask
from ponder.search.worlds.archon_calls import numbered_calls
from ponder.search.worlds.archon_points import UNIT_TESTS, VERIFIER, ArchonPoint, archon_points, families, features
from ponder.search.worlds.archon_world import ArchonWorld
from ponder.search.worlds.table_world import TIED_ACCURACY, TableWorld, adversarial_world, tied_world
from ponder.search.worlds.truth import true_accuracies
from ponder.search.worlds.world_problem import WorldProblem

WORLD = ArchonWorld(1)
POINTS = archon_points()
ENDLESS = 10**9
LEVELS = (10, 20, 30, 50)


def whole(problem: WorldProblem, replicate: int = 0) -> list[Ask]:
    return [Ask(number, tuple(range(problem.items)), replicate) for number in range(problem.size)]


def test_the_space_has_the_published_numbers_of_points_and_calls() -> None:
    assert len(POINTS) == len(set(POINTS)) == 3648
    within = [[point.calls for point in POINTS if point.calls <= level] for level in LEVELS]
    assert [len(calls) for calls in within] == [123, 786, 1780, 3217]
    assert [sum(calls) for calls in within] == [975, 11_640, 37_043, 93_110]


def test_every_point_makes_the_calls_it_is_charged_and_shares_those_that_are_the_same() -> None:
    table, known = numbered_calls()
    assert [len(calls) for calls in table] == [point.calls for point in POINTS]
    assert all(len(set(calls.tolist())) == len(calls) for calls in table)
    shared = [len(set(np.concatenate([calls for calls in table if len(calls) <= level]).tolist())) for level in LEVELS]
    assert shared == [369, 3462, 10_467, 26_302]
    assert known == len(set(np.concatenate(table).tolist()))


@pytest.mark.parametrize(("level", "fresh", "unique"), [(10, 975, 369), (20, 11_640, 3462)])
def test_measuring_everything_pays_each_shared_call_once(level: int, fresh: int, unique: int) -> None:
    items = 5
    for reuse, calls in ((True, unique), (False, fresh)):
        problem = WorldProblem(WORLD, (level,), ENDLESS, items=items, reuse=reuse)
        assert problem.price(whole(problem)) * ENDLESS == pytest.approx(calls * items)
        rows = problem.measure(whole(problem))
        assert problem.calls == calls * items
        assert [row.costs[0] for row in rows] == [point.calls for point in problem.points]
    assert problem.price(whole(problem)[:1]) > 0


def test_a_replicate_is_paid_anew_and_a_paid_one_is_free() -> None:
    problem = WorldProblem(WORLD, (20,), ENDLESS, items=10)
    first = problem.measure([Ask(7, (0, 1, 2))])
    paid = problem.calls
    assert problem.price([Ask(7, (0, 1, 2))]) == 0
    assert problem.price([Ask(7, (0, 1, 2)), Ask(7, (0, 1, 2), 1)]) * ENDLESS == pytest.approx(paid)
    again = problem.measure([Ask(7, (0, 1, 2))])
    assert problem.calls == paid
    np.testing.assert_array_equal(first[0].values, again[0].values)


def test_a_batch_that_does_not_fit_is_measured_in_part_and_the_budget_is_never_passed() -> None:
    rng = np.random.default_rng(0)
    for trial in range(20):
        budget, reuse = int(rng.integers(1, 3000)), bool(trial % 2)
        problem = WorldProblem(WORLD, (30,), budget, items=20, seed=trial, reuse=reuse)
        for _ in range(25):
            numbers = rng.integers(problem.size, size=3)
            asks = [Ask(int(number), tuple(range(int(rng.integers(1, 21)))), trial % 3) for number in numbers]
            price, before = problem.price(asks), problem.calls
            rows = problem.measure(asks)
            assert problem.calls <= budget and problem.spent <= 1
            fits = before + price * budget <= budget + 1e-6
            assert fits == (sum(len(row.items) for row in rows) == sum(len(ask.items) for ask in asks))
            if fits:
                assert problem.calls - before == pytest.approx(price * budget)


def test_the_same_seeds_give_the_same_answers_in_any_order() -> None:
    items = np.arange(50)
    numbers = np.random.default_rng(3).permutation(len(POINTS))[:60]
    one, other = WORLD.run(items, 5), ArchonWorld(1).run(items, 5)
    forward = {number: one.is_right(POINTS[number], 2) for number in numbers}
    for number in reversed(numbers):
        np.testing.assert_array_equal(forward[number], other.is_right(POINTS[number], 2))
    assert any((forward[number] != WORLD.run(items, 6).is_right(POINTS[number], 2)).any() for number in numbers)
    assert any((forward[number] != one.is_right(POINTS[number], 3)).any() for number in numbers)


@pytest.mark.parametrize(
    "point",
    [
        ArchonPoint(4, 2, 0, 0, 0, VERIFIER),
        ArchonPoint(3, 3, 0, 0, 1, UNIT_TESTS),
        ArchonPoint(5, 2, 2, 6, 1, VERIFIER),
        ArchonPoint(2, 5, 3, 8, 0, UNIT_TESTS),
    ],
)
def test_what_shared_stages_give_is_distributed_as_what_fresh_ones_give(point: ArchonPoint) -> None:
    """With every stage it could share already drawn for others, a composition is right as often as alone."""
    items, seeds = np.arange(40), 150
    others = [POINTS[number] for number in (3, 500, 1500, 3600)]
    others += [point._replace(samples=1), point._replace(critic=1 - point.critic), point._replace(check=VERIFIER)]
    others += [point._replace(layers=max(1, point.layers - 1), width=10)]
    shared, fresh = np.zeros((2, seeds))
    for seed in range(seeds):
        used = WORLD.run(items, seed)
        for other in others:
            used.is_right(other, 0)
        shared[seed] = used.is_right(point, 0).mean()
        fresh[seed] = WORLD.run(items, seed + seeds).is_right(point, 0).mean()
    error = np.sqrt((shared.var(ddof=1) + fresh.var(ddof=1)) / seeds)
    assert abs(shared.mean() - fresh.mean()) < 3 * error


def test_knobs_matter_and_the_best_is_as_good_as_published() -> None:
    run = WORLD.run(np.arange(300), 0)
    accuracies = np.array([run.is_right(point, 0).mean() for point in POINTS])
    assert 0.86 < np.sort([a for a, point in zip(accuracies, POINTS, strict=True) if point.calls <= 30])[-5] < 0.95
    table = np.array(POINTS)
    for knob in range(table.shape[1]):
        means = [accuracies[table[:, knob] == value].mean() for value in np.unique(table[:, knob])]
        assert np.ptp(means) > 0.004
    crowd, few = ArchonPoint(10, 2, 0, 0, 0, 0), ArchonPoint(5, 2, 0, 0, 0, 0)
    assert run.is_right(crowd, 0).mean() < run.is_right(few, 0).mean()


def test_features_lie_between_0_and_1_and_tell_all_points_apart() -> None:
    table = features(POINTS)
    assert table.min() == 0 and table.max() == 1
    assert len(np.unique(table, axis=0)) == len(POINTS)
    assert len(np.unique(families(POINTS))) == 6


def test_only_compositions_within_the_limit_are_part_of_a_problem() -> None:
    problem = WorldProblem(WORLD, (10, 20), ENDLESS)
    assert problem.size == 786 and max(problem.cost(number) for number in range(problem.size)) == 20
    assert len(problem.features) == len(problem.families) == problem.size
    with pytest.raises(UsageError, match="numbered 0 to 785"):
        problem.measure([Ask(786, (0,))])
    with pytest.raises(UsageError, match="different numbers from 0 to 99"):
        problem.measure([Ask(0, (0, 100))])
    for levels, budget, items, message in (
        ((20, 10), 1, 10, "rise"),
        ((1,), 1, 10, "cheapest makes 2"),
        ((10,), 0, 10, "at least 1 call"),
        ((10,), 1, 1001, "between 1 and the world's 1000"),
    ):
        with pytest.raises(UsageError, match=message):
            WorldProblem(WORLD, levels, budget, items=items)


def test_development_items_are_drawn_by_the_seed_and_apart_from_the_others() -> None:
    one, other = (WorldProblem(WORLD, (10,), ENDLESS, seed=seed) for seed in (0, 1))
    assert set(one.development.tolist()).isdisjoint(one.held_out.tolist())
    assert len(one.development) + len(one.held_out) == 1000
    assert one.development.tolist() != other.development.tolist()


def test_in_the_tied_world_every_composition_is_as_good() -> None:
    world = tied_world(1)
    assert np.ptp(world.accuracies) == 0
    run = world.run(np.arange(1000), 0)
    shares = [run.is_right(point, 0).mean() for point in POINTS[::36]]
    assert np.mean(shares) == pytest.approx(TIED_ACCURACY, abs=0.004)
    assert np.std(shares) < 0.015


def test_in_the_adversarial_world_the_best_stands_alone() -> None:
    world = adversarial_world(1)
    best = int(world.accuracies.argmax())
    second = np.sort(world.accuracies)[-2]
    assert POINTS[best].calls <= 20 and world.accuracies[best] - second > 0.08
    near = [n for n, point in enumerate(POINTS) if sum(a != b for a, b in zip(point, POINTS[best], strict=True)) == 1]
    adjacent = [n for n in near if all(abs(a - b) <= 1 for a, b in zip(POINTS[n], POINTS[best], strict=True))]
    assert len(adjacent) > 3 and all(world.accuracies[best] - world.accuracies[n] > 0.15 for n in adjacent)
    run = world.run(np.tile(np.arange(1000), 20), 0)
    assert run.is_right(POINTS[best], 0).mean() == pytest.approx(world.accuracies[best], abs=0.01)


def test_a_world_of_wrong_accuracies_is_refused() -> None:
    with pytest.raises(UsageError, match="3648 numbers"):
        TableWorld(np.full(3, 0.5), 0)


def test_the_truth_is_the_mean_over_items_and_replicates_with_its_error() -> None:
    small = ArchonWorld(1, size=40)
    mean, error = true_accuracies(small, 2, seed=9)
    again, _ = true_accuracies(small, 2, seed=10)
    assert mean.shape == (3648,) and set((mean * 80).round(6) % 1) == {0.0}
    assert np.std(mean - again) == pytest.approx(np.sqrt(2) * error.mean(), rel=0.25)
