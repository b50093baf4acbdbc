"""Drawing until an imperfect verifier accepts: the closed form and where it ends."""

import math

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.verifiers.reliability import ResamplingLaw

LAW = ResamplingLaw(correct=0.3, accepts_correct=0.9, accepts_wrong=0.2)


def test_accuracy_of_five_tries() -> None:
    assert LAW.accuracy(5) == pytest.approx(0.6151, abs=5e-5)
    assert LAW.accepts == pytest.approx(0.41)
    assert LAW.rejected == pytest.approx(0.03 / 0.59)


def test_it_is_the_sum_over_the_try_that_is_accepted() -> None:
    tries = 7
    accepted = sum(0.59**k * 0.3 * 0.9 for k in range(tries))
    assert LAW.accuracy(tries) == pytest.approx(accepted + 0.59 ** (tries - 1) * 0.3 * 0.1)
    assert LAW.accuracy(tries, fallback=0.5) == pytest.approx(accepted + 0.59**tries * 0.5)
    assert LAW.draws(tries) == pytest.approx(sum(0.59**k for k in range(tries)))


def test_a_random_accepted_of_all_draws_is_as_accurate() -> None:
    rng, runs, tries = np.random.default_rng(0), 400_000, 5
    right = rng.random((runs, tries)) < LAW.correct
    accepted = rng.random((runs, tries)) < np.where(right, LAW.accepts_correct, LAW.accepts_wrong)
    chosen = np.where(accepted, rng.random((runs, tries)), -1.0).argmax(axis=1)
    found = (right & accepted)[np.arange(runs), chosen].mean()
    assert abs(found - LAW.accuracy(tries, fallback=0.0)) < 4 * math.sqrt(0.25 / runs)


def test_one_try_is_one_draw_whatever_the_verifier_says() -> None:
    assert LAW.accuracy(1) == pytest.approx(LAW.correct)
    assert LAW.draws(1) == 1


def test_no_number_of_tries_beats_the_precision_of_the_verifier() -> None:
    assert LAW.accuracy(10_000) == pytest.approx(LAW.ceiling) == pytest.approx(0.27 / 0.41)
    assert ResamplingLaw(0.3, 0.9, 0.0).ceiling == 1.0


def test_a_verifier_that_accepts_nothing_or_everything_changes_nothing() -> None:
    for always in (0.0, 1.0):
        law = ResamplingLaw(0.3, always, always)
        assert law.accuracy(4) == law.ceiling == pytest.approx(0.3)
    assert ResamplingLaw(0.3, 0.0, 0.0).draws(4) == 4
    assert ResamplingLaw(0.3, 1.0, 1.0).draws(4) == 1


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="accepts_wrong must be a probability"):
        ResamplingLaw(0.3, 0.9, share)


def test_no_tries_are_refused() -> None:
    with pytest.raises(UsageError, match="tries must be at least 1, got 0"):
        LAW.accuracy(0)
