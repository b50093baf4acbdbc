"""Predictions: the pools' own means, the law's own figures, and intervals that hold what comes."""

import numpy as np
import pytest
from test_reliability import pools

from ponder.orchestrator.errors import UsageError
from ponder.verifiers.reliability import Curve, JudgedPool, Reliability, predicted

TRIES = (1, 2, 4, 8)
PILOT = pools(np.random.default_rng(0), np.random.default_rng(1).beta(0.6, 0.9, 60), 12, 0.9, 0.2)


def means(curve: Curve, name: str) -> list[float]:
    return [each.mean for each in getattr(curve, name)]


def test_pools_predict_their_own_means() -> None:
    curve = predicted(PILOT, TRIES, wrong_cost=1.5, call_cost=0.02)
    right = np.array([[pool.right(k) for k in TRIES] for pool in PILOT.pools]).mean(axis=0)
    wrong = np.array([[pool.wrong(k) for k in TRIES] for pool in PILOT.pools]).mean(axis=0)
    draws = np.array([[pool.draws(k) for k in TRIES] for pool in PILOT.pools]).mean(axis=0)
    assert means(curve, "accuracy") == pytest.approx(right)
    assert means(curve, "precision") == pytest.approx(right / (right + wrong))
    assert means(curve, "value") == pytest.approx(right - 1.5 * wrong - 0.02 * draws)
    assert curve.ceiling.mean == pytest.approx(PILOT.ceiling.mean)
    assert curve.best.mean == [0, *TRIES][int(np.argmax([0, *means(curve, "value")]))]


def test_the_law_predicts_its_own_figures_also_beyond_the_pools() -> None:
    tries = (1, 3, 12, 500)
    curve, law = predicted(PILOT, tries, wrong_cost=0.7, call_cost=0.01, by="law"), PILOT.law()
    assert means(curve, "accuracy") == pytest.approx([law.accuracy(k, 0.0) for k in tries])
    assert means(curve, "precision") == pytest.approx([law.precision(k) for k in tries])
    assert means(curve, "value") == pytest.approx([law.value(k, wrong_cost=0.7, call_cost=0.01) for k in tries])
    assert curve.ceiling.mean == pytest.approx(law.ceiling)
    with pytest.raises(UsageError, match="between 1 and the pool's 12 draws"):
        predicted(PILOT, tries)


@pytest.mark.parametrize("by", ["pools", "law"])
def test_intervals_hold_their_means_and_grow_as_more_is_asked_of_them(by: str) -> None:
    alone = predicted(PILOT, TRIES, wrong_cost=1.0, by=by)
    new = predicted(PILOT, TRIES, wrong_cost=1.0, by=by, tasks=40)
    all_at_once = predicted(PILOT, TRIES, wrong_cost=1.0, by=by, tasks=40, together=True)
    for narrow, wide in ((alone, new), (new, all_at_once)):
        for name in ("accuracy", "precision", "value"):
            for one, other in zip(getattr(narrow, name), getattr(wide, name), strict=True):
                assert one.low <= one.mean <= one.high
                assert one.mean == other.mean
                assert one.high - one.low < other.high - other.low
    assert alone.best.low <= alone.best.mean <= alone.best.high
    assert {alone.best.low, alone.best.high} <= {0, *TRIES}


@pytest.mark.parametrize("by", ["pools", "law"])
def test_they_hold_what_is_measured_on_other_tasks(by: str) -> None:
    """Pilots of 40 tasks, measured on 30 others: at each number of attempts, and at all of them."""
    rng, rounds, held, all_held, best = np.random.default_rng(12), 60, np.zeros(len(TRIES)), 0, 0
    for _ in range(rounds):
        pilot, other = (pools(rng, rng.beta(0.6, 0.9, tasks), 12, 0.9, 0.2) for tasks in (40, 30))
        came = np.array([[pool.right(k) - pool.wrong(k) for k in TRIES] for pool in other.pools]).mean(axis=0)
        curve = predicted(pilot, TRIES, wrong_cost=1.0, by=by, tasks=30)
        held += [each.low <= value <= each.high for each, value in zip(curve.value, came, strict=True)]
        best += curve.best.low <= [0, *TRIES][int(np.argmax([0, *came]))] <= curve.best.high
        band = predicted(pilot, TRIES, wrong_cost=1.0, by=by, tasks=30, together=True)
        all_held += all(each.low <= value <= each.high for each, value in zip(band.value, came, strict=True))
    assert (held / rounds >= 0.85).all()
    assert all_held / rounds >= 0.85
    assert best / rounds >= 0.85


def test_tasks_that_all_went_well_promise_no_certainty() -> None:
    perfect = Reliability((JudgedPool(6, 0, 0, 0),) * 20)
    curve = predicted(perfect, (1, 4), wrong_cost=3.0)
    for each in curve.value:
        assert each.mean == each.high == 1.0
        assert -0.2 < each.low < 0.5
    assert all(0.8 < each.low < 0.9 for each in curve.accuracy)
    wider = predicted(perfect, (1, 4), wrong_cost=3.0, tasks=10)
    assert wider.accuracy[0].low < curve.accuracy[0].low


def test_fewest_attempts_are_best_where_more_are_worth_the_same() -> None:
    curve = predicted(Reliability((JudgedPool(6, 0, 0, 0), JudgedPool(3, 0, 0, 0))), (1, 2, 3))
    assert curve.best.mean == 1
    hopeless = predicted(Reliability((JudgedPool(1, 5, 0, 3),) * 9), (1, 2, 3), wrong_cost=2.0)
    assert hopeless.best.mean == hopeless.best.high == 0


@pytest.mark.parametrize("tries", [(), (0, 1), (2, 1), (1, 1)])
def test_attempts_that_do_not_rise_are_refused(tries: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="tries must rise, from 1 at least"):
        predicted(PILOT, tries)


def test_costs_that_are_none_are_refused() -> None:
    for knobs, rule in (
        ({"by": "pool"}, "by must be 'pools' or 'law', got 'pool'"),
        ({"tasks": 0}, "tasks must be 1 at least, got 0"),
        ({"confidence": 95}, "confidence must be between 0 and 1, got 95"),
    ):
        with pytest.raises(UsageError, match=rule):
            predicted(PILOT, TRIES, **knobs)
    with pytest.raises(UsageError, match="wrong_cost and call_cost"):
        predicted(PILOT, TRIES, wrong_cost=-1.0)
