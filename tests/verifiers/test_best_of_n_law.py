"""The law of the best scored: by hand, against drawing, and where it bends down."""

import math

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.verifiers.reliability import BestOfNLaw

MISLED = BestOfNLaw(0.4, right_scores=(0.5, 0.6, 0.7, 0.8), wrong_scores=(0.1, 0.2, 0.3, 0.4, 0.5, 0.95))


def test_by_hand() -> None:
    law = BestOfNLaw(0.5, right_scores=(2.0,), wrong_scores=(1.0, 3.0))
    assert [law.accuracy(n) for n in (1, 2, 3)] == pytest.approx([0.5, 0.75**2 - 0.25**2, 0.75**3 - 0.25**3])


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_it_agrees_with_drawing(n: int) -> None:
    rng, runs = np.random.default_rng(n), 60_000
    right = rng.random((runs, n)) < MISLED.correct
    drawn = np.where(right, rng.choice(MISLED.right_scores, (runs, n)), rng.choice(MISLED.wrong_scores, (runs, n)))
    best = (drawn + 1e-6 * rng.random((runs, n))).argmax(axis=1)  # ties at random
    found = right[np.arange(runs), best].mean()
    assert abs(found - MISLED.accuracy(n)) < 4 * math.sqrt(0.25 / runs)


def test_it_rises_and_then_falls_to_what_the_highest_score_is_worth() -> None:
    curve = [MISLED.accuracy(n) for n in range(1, 400)]
    peak = int(np.argmax(curve))
    assert 1 < peak < 8
    assert (np.diff(curve[: peak + 1]) > 0).all()
    assert (np.diff(curve[peak:]) < 0).all()
    assert curve[-1] == pytest.approx(0, abs=1e-9)


def test_a_verifier_that_ranks_every_right_draw_first_gives_coverage() -> None:
    perfect = BestOfNLaw(0.2, right_scores=(1.0, 1.5), wrong_scores=(0.0, 0.5))
    assert [perfect.accuracy(n) for n in (1, 5, 100)] == pytest.approx([1 - 0.8**n for n in (1, 5, 100)])


def test_scores_that_are_all_alike_choose_at_random() -> None:
    alike = BestOfNLaw(0.3, right_scores=(0.5, 0.5), wrong_scores=(0.5,))
    assert [alike.accuracy(n) for n in (1, 4, 1000)] == pytest.approx([0.3] * 3)


@pytest.mark.parametrize(("correct", "accuracy"), [(0.0, 0.0), (1.0, 1.0)])
def test_tasks_that_are_never_or_always_solved(correct: float, accuracy: float) -> None:
    assert BestOfNLaw(correct, (0.1,), (0.9,)).accuracy(9) == accuracy
    assert BestOfNLaw(correct, (0.1,) if correct else (), () if correct else (0.9,)).accuracy(9) == accuracy


@pytest.mark.parametrize(
    ("law", "rule"),
    [
        ((1.2, (1.0,), (1.0,)), "correct must be a probability"),
        ((0.5, (), (1.0,)), "scores of the right and of the wrong draws"),
        ((0.5, (1.0,), (math.nan,)), "scores must be finite"),
    ],
)
def test_what_is_no_law_is_refused(law: tuple[float, tuple[float, ...], tuple[float, ...]], rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        BestOfNLaw(*law)


def test_no_draws_are_refused() -> None:
    with pytest.raises(UsageError, match="n must be at least 1, got 0"):
        MISLED.accuracy(0)
