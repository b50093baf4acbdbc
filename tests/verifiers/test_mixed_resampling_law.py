"""The law of tasks that differ: known values, identities, and agreement with drawing and judging itself."""

import math

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.verifiers.reliability import MixedResamplingLaw, ResamplingLaw

RUNS = 500_000
EXAMPLE = MixedResamplingLaw((ResamplingLaw(0.87, 1.0, 0.25), ResamplingLaw(0.13, 1.0, 0.25)), (0.58, 0.42))
LAWS = {
    "example": EXAMPLE,
    "incomplete": MixedResamplingLaw((ResamplingLaw(0.6, 0.7, 0.1), ResamplingLaw(0.05, 0.7, 0.1)), (0.3, 0.7)),
    "a verifier of its own for each type": MixedResamplingLaw(
        (ResamplingLaw(0.9, 0.95, 0.5), ResamplingLaw(0.4, 0.6, 0.05), ResamplingLaw(0.02, 0.3, 0.3)), (0.2, 0.5, 0.3)
    ),
    "never right": MixedResamplingLaw((ResamplingLaw(0.5, 0.9, 0.2), ResamplingLaw(0.0, 0.9, 0.02)), (0.5, 0.5)),
}


def simulated(law: MixedResamplingLaw, tries: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each run whether the answer is right, whether it is wrong, and the draws: drawn and judged one by one."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(len(law.types), RUNS, p=law.shares)
    chances = np.array([(each.correct, each.accepts_correct, each.accepts_wrong) for each in law.types])[kind].T
    right, wrong, draws = np.zeros(RUNS, bool), np.zeros(RUNS, bool), np.zeros(RUNS, int)
    for _ in range(tries):
        running = ~(right | wrong)
        is_right = rng.random(RUNS) < chances[0]
        accepted = running & (rng.random(RUNS) < np.where(is_right, chances[1], chances[2]))
        draws += running
        right |= accepted & is_right
        wrong |= accepted & ~is_right
    return right, wrong, draws


@pytest.mark.parametrize(("wrong_cost", "value"), [(1, 0.445), (2, 0.192)])
def test_value_of_the_published_example(wrong_cost: float, value: float) -> None:
    assert EXAMPLE.value(5, wrong_cost=wrong_cost) == pytest.approx(value, abs=5e-4)


def test_the_published_notebook_counts_the_rejections_twice() -> None:
    """It takes the chance of reaching an attempt from the posterior over types: .425 and .024 here."""
    for wrong_cost, published in ((1, 0.425), (2, 0.024)):
        total = 0.0
        for k in range(1, 6):
            reached = [(1 - each.accepts) ** (k - 1) for each in EXAMPLE.types]
            chance = sum(p * b for p, b in zip(EXAMPLE.posterior(k), reached, strict=True))
            total += EXAMPLE.gain(k, wrong_cost=wrong_cost) * chance
        assert total == pytest.approx(published, abs=5e-4)
        assert abs(total - EXAMPLE.value(5, wrong_cost=wrong_cost)) > 0.015


@pytest.mark.parametrize(("wrong_cost", "attempts"), [(0.7, 3), (1, 2), (2, 1), (4, 1), (8, 0)])
def test_best_attempts_of_the_published_example(wrong_cost: float, attempts: int) -> None:
    assert EXAMPLE.best_attempts(wrong_cost=wrong_cost) == attempts


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("tries", [1, 4, 9])
def test_it_agrees_with_drawing_and_judging(name: str, tries: int) -> None:
    law = LAWS[name]
    right, wrong, draws = simulated(law, tries, seed=tries)
    value = right - 1.5 * wrong - 0.03 * draws
    found = {
        "accuracy": (law.accuracy(tries, 0.0), right),
        "answered": (law.answered(tries), right | wrong),
        "draws": (law.draws(tries), draws),
        "value": (law.value(tries, wrong_cost=1.5, call_cost=0.03), value),
        "precision": (law.precision(tries), right[right | wrong]),
    }
    for what, (expected, outcomes) in found.items():
        error = max(outcomes.std() / math.sqrt(len(outcomes)), 1e-9)
        assert abs(outcomes.mean() - expected) < 4 * error, what


@pytest.mark.parametrize("name", LAWS)
def test_value_is_the_sum_of_gains_where_they_are_reached(name: str) -> None:
    law, total, reached = LAWS[name], 0.0, 1.0
    for attempt in range(1, 12):
        total += reached * law.gain(attempt, wrong_cost=1.2, call_cost=0.01)
        assert law.value(attempt, wrong_cost=1.2, call_cost=0.01) == pytest.approx(total, abs=1e-12)
        reached = 1 - law.answered(attempt)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("wrong_cost", [0.0, 0.3, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("call_cost", [0.0, 0.01, 0.2])
def test_best_attempts_are_the_first_to_reach_the_most(name: str, wrong_cost: float, call_cost: float) -> None:
    law = LAWS[name]
    values = [law.value(tries, wrong_cost=wrong_cost, call_cost=call_cost) for tries in range(41)]
    best = law.best_attempts(wrong_cost=wrong_cost, call_cost=call_cost, most=40)
    assert values[best] == pytest.approx(max(values), abs=1e-12)
    assert all(value < values[best] for value in values[:best])


def test_an_attempt_that_loses_is_made_for_the_sake_of_later_ones() -> None:
    """A verifier that hardly knows the easy tasks: their wrong answers come first, the others' right ones later."""
    law = MixedResamplingLaw((ResamplingLaw(0.1, 0.9, 0.9), ResamplingLaw(0.5, 0.2, 0.0)), (0.3, 0.7))
    assert law.gain(1, wrong_cost=1) < 0 < law.gain(2, wrong_cost=1)
    assert law.value(1, wrong_cost=1) < 0 < law.value(20, wrong_cost=1)
    assert law.best_attempts(wrong_cost=1, most=20) == 20


@pytest.mark.parametrize("wrong_cost", [0.0, 1.0, 3.0, 3.4, 3.6, 10.0])
def test_tasks_that_are_alike_are_tried_endlessly_or_never(wrong_cost: float) -> None:
    alike = MixedResamplingLaw((ResamplingLaw(0.3, 0.9, 0.11),), (1.0,))
    worth = 0.27 - wrong_cost * 0.077
    for most in (1, 10, 4096):
        assert alike.best_attempts(wrong_cost=wrong_cost, most=most) == (most if worth > 0 else 0)
    assert [alike.gain(k, wrong_cost=wrong_cost) for k in (1, 7)] == pytest.approx([worth] * 2)


def test_what_is_worth_the_same_takes_the_fewest_attempts() -> None:
    even = MixedResamplingLaw((ResamplingLaw(0.5, 0.5, 0.25),), (1.0,))
    assert even.gain(1, wrong_cost=2.0) == 0
    assert even.best_attempts(wrong_cost=2.0) == 0
    always = MixedResamplingLaw((ResamplingLaw(0.6, 1.0, 1.0),), (1.0,))
    assert always.best_attempts(wrong_cost=1.0) == 1


def test_a_call_that_costs_ends_the_attempts_where_the_rest_is_too_hard() -> None:
    found = [EXAMPLE.best_attempts(call_cost=cost) for cost in (0.0, 0.05, 0.14, 0.2, 0.9)]
    assert found == [4096, 4096, 3, 2, 0]
    assert EXAMPLE.gain(3, call_cost=0.14) > 0 > EXAMPLE.gain(4, call_cost=0.14)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("wrong_cost", [0.5, 1.0, 3.0])
def test_attempts_are_worth_making_up_to_the_best_number(name: str, wrong_cost: float) -> None:
    law = LAWS[name]
    best = law.best_attempts(wrong_cost=wrong_cost, call_cost=0.01, most=30)
    worth = [law.is_worth(k, wrong_cost=wrong_cost, call_cost=0.01, most=30) for k in range(1, 31)]
    assert worth[: best + 1] == [True] * best + [False] * (best < 30)


def test_an_attempt_is_worth_making_again_where_it_was_not_before() -> None:
    """Beyond a stretch that loses; before it, nobody would have come there."""
    law = MixedResamplingLaw((ResamplingLaw(0.1, 0.9, 0.9), ResamplingLaw(0.5, 0.05, 0.0)), (0.7, 0.3))
    assert law.best_attempts(wrong_cost=2, most=30) == 0
    assert [law.is_worth(k, wrong_cost=2, most=30) for k in (1, 2, 9, 31)] == [False, True, True, False]


def test_after_what_cannot_happen_nothing_is_worth_making() -> None:
    always = MixedResamplingLaw((ResamplingLaw(0.6, 1.0, 1.0), ResamplingLaw(0.6, 0.1, 0.1)), (1.0, 0.0))
    assert [always.is_worth(k) for k in (1, 2)] == [True, False]


def test_the_ceiling_is_the_mean_of_the_precisions() -> None:
    precise = [0.87 / (0.87 + 0.13 * 0.25), 0.13 / (0.13 + 0.87 * 0.25)]
    assert [each.ceiling for each in EXAMPLE.types] == pytest.approx(precise)
    assert EXAMPLE.ceiling == pytest.approx(0.58 * precise[0] + 0.42 * precise[1])
    assert EXAMPLE.accuracy(5000, 0.0) == pytest.approx(EXAMPLE.ceiling)


def test_attempts_that_still_run_are_of_the_hard_tasks() -> None:
    assert EXAMPLE.posterior(1) == pytest.approx((0.58, 0.42))
    easy, hard = 0.58 * 0.0975**2, 0.42 * 0.6525**2
    assert EXAMPLE.posterior(3) == pytest.approx((easy / (easy + hard), hard / (easy + hard)))
    never_accepted = MixedResamplingLaw((ResamplingLaw(0.0, 1.0, 0.0), EXAMPLE.types[0]), (0.1, 0.9))
    assert never_accepted.posterior(200) == pytest.approx((1.0, 0.0))
    sure = MixedResamplingLaw((ResamplingLaw(1.0, 0.99, 0.0), ResamplingLaw(1.0, 0.9, 0.0)), (0.5, 0.5))
    assert sure.posterior(4000) == pytest.approx((0.0, 1.0))


def test_one_type_is_the_homogeneous_law() -> None:
    one = ResamplingLaw(0.3, 0.9, 0.2)
    law = MixedResamplingLaw((one,), (1.0,))
    for fallback in (None, 0.0, 0.5):
        assert law.accuracy(5, fallback) == one.accuracy(5, fallback)
    assert (law.ceiling, law.draws(5), law.precision(5)) == pytest.approx((one.ceiling, one.draws(5), one.ceiling))


def test_nothing_accepted_is_nothing_answered() -> None:
    law = MixedResamplingLaw((ResamplingLaw(0.4, 0.0, 0.0),), (1.0,))
    assert (law.answered(9), law.value(9, wrong_cost=5, call_cost=0.1)) == pytest.approx((0.0, -0.9))
    assert law.precision(9) == 0.4
    assert law.best_attempts(wrong_cost=5) == 0


@pytest.mark.parametrize(
    ("types", "shares", "rule"),
    [
        ((), (), "a type at least, got 0 types and 0 shares"),
        (EXAMPLE.types, (1.0,), "one share a type"),
        (EXAMPLE.types, (0.5, 0.6), "sum to 1"),
        (EXAMPLE.types, (1.5, -0.5), "at least 0"),
        (EXAMPLE.types, (math.nan, 0.5), "shares must"),
    ],
)
def test_what_is_no_mixture_is_refused(types: tuple[ResamplingLaw, ...], shares: tuple[float, ...], rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        MixedResamplingLaw(types, shares)


@pytest.mark.parametrize("cost", [-1.0, math.nan, math.inf])
def test_what_is_no_cost_is_refused(cost: float) -> None:
    with pytest.raises(UsageError, match="wrong_cost and call_cost must be finite and at least 0"):
        EXAMPLE.best_attempts(wrong_cost=cost)
    with pytest.raises(UsageError, match="in units of what a right answer is worth"):
        EXAMPLE.value(3, call_cost=cost)


def test_an_attempt_that_is_never_reached_is_refused() -> None:
    always = MixedResamplingLaw((ResamplingLaw(0.6, 1.0, 1.0),), (1.0,))
    assert always.posterior(1) == (1.0,)
    for attempt in (0, 2):
        with pytest.raises(UsageError, match="an attempt must be 1 or one that can be reached"):
            always.posterior(attempt)
