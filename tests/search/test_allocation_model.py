"""The allocation model: planted coefficients come back, its intervals hold what they promise, few pilots are honest."""

import math

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.search.decisions.allocation_model import AllocationModel


def sigmoid(logit):
    return 1 / (1 + np.exp(-np.asarray(logit)))


def logit(share):
    return math.log(share / (1 - share))


def test_planted_coefficients_are_recovered():
    knobs = np.random.default_rng(0).uniform(0, 3, (12, 3))
    model = AllocationModel.fit(knobs, sigmoid(-1 + knobs @ [0.5, -0.25, 0.0]), 10**9)
    assert model.slopes == pytest.approx([0.5, -0.25, 0.0], abs=1e-9)
    assert model.intercept - model.centre @ model.slopes == pytest.approx(-1)
    assert (model.r_squared, model.freedom, model.points) == (pytest.approx(1), 8, 12)
    means, deviations = model.predict([[10.0, 0.0, 7.0]])
    assert means.tolist() == pytest.approx([4.0], abs=1e-6) and deviations[0] < 1e-6


def test_one_knob_with_equal_weights_is_the_regression_of_the_textbook():
    x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([-0.1, 0.1, 0.1, -0.1])
    model = AllocationModel.fit(x[:, None], sigmoid(y), 100)  # symmetric logits: all weights are the same
    assert (model.intercept, model.slopes[0], model.r_squared) == pytest.approx((0, 0, 0), abs=1e-12)
    assert model.residual_sd == pytest.approx(math.sqrt(0.04 / 2))
    _, deviations = model.predict([[4.0]])
    assert deviations[0] == pytest.approx(math.sqrt(0.04 / 2 * (1 + 1 / 4 + 2.5**2 / 5)))
    reach = 4.302652729911275 * deviations[0]  # t(0.975) of 2 degrees of freedom
    assert model.interval([[4.0]])[0].high == pytest.approx(sigmoid(reach))


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062047), (2, 4.3026527), (3, 3.1824463), (8, 2.3060041), (101, 1.9837310)]
)
def test_an_interval_takes_students_t(freedom, quantile):
    rng = np.random.default_rng(freedom)
    knobs = rng.uniform(0, 1, (freedom + 2, 1))
    model = AllocationModel.fit(knobs, sigmoid(rng.normal(0, 0.01, freedom + 2)), 50)
    means, deviations = model.predict([[0.5]])
    assert model.freedom == freedom
    assert logit(model.interval([[0.5]])[0].high) == pytest.approx(means[0] + quantile * deviations[0])


@pytest.mark.parametrize("pilots", [5, 8, 20])
def test_prediction_intervals_cover_as_stated(pilots):
    rng, held, trials = np.random.default_rng(7), 0, 2000
    for _ in range(trials):
        knobs = rng.uniform(0, 2, (pilots + 1, 2))
        truth = sigmoid(0.3 + knobs @ [0.4, 0.2] + rng.normal(0, 0.15, pilots + 1))
        seen = rng.binomial(200, truth) / 200
        found = AllocationModel.fit(knobs[:-1], seen[:-1], 200).interval(knobs[-1:])[0]
        held += found.low <= seen[-1] <= found.high
    assert held / trials == pytest.approx(0.95, abs=0.015)


def test_an_accuracy_known_better_weighs_more():
    knobs, accuracies = np.array([[0.0], [1.0], [1.0]]), [0.5, 0.5, 0.8]
    careless = AllocationModel.fit(knobs, accuracies, [100, 1000, 10])
    careful = AllocationModel.fit(knobs, accuracies, [100, 10, 1000])
    assert careless.slopes[0] < 0.02 and careful.slopes[0] > 1.3


def test_none_and_all_right_are_held_within_half_an_item():
    model = AllocationModel.fit([[0.0], [1.0]], [0.0, 1.0], 10)
    means, _ = model.predict([[0.0], [1.0]])
    assert means.tolist() == pytest.approx([logit(0.05), logit(0.95)])


def test_fewer_pilots_than_knobs_fit_the_pilots_and_own_up_to_the_rest():
    model = AllocationModel.fit([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]], [0.4, 0.6], 100)
    assert model.freedom == 0
    means, deviations = model.predict([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert means[:2].tolist() == pytest.approx([logit(0.4), logit(0.6)], abs=1e-5)
    assert model.slopes.tolist() == pytest.approx([logit(0.6), logit(0.6), 0.0], abs=1e-5)
    assert deviations[0] < 0.5 and deviations[2] > 50
    found = model.interval([[1.0, 1.0, 0.0]])[0]
    assert (found.mean, found.low, found.high) == (pytest.approx(0.6, abs=1e-4), 0, 1)


def test_one_pilot_predicts_itself():
    model = AllocationModel.fit([[1.0, 2.0]], [0.7], 20)
    means, deviations = model.predict([[1.0, 2.0], [5.0, 5.0]])
    assert means.tolist() == pytest.approx([logit(0.7)] * 2)
    assert deviations[0] == pytest.approx(math.sqrt(2 / (20 * 0.7 * 0.3)))


def test_a_knob_that_never_varied_is_left_out():
    knobs = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    accuracies = sigmoid([0.0, 0.6, 0.9, 1.5])
    model, without = AllocationModel.fit(knobs, accuracies, 40), AllocationModel.fit(knobs[:, :1], accuracies, 40)
    assert model.slopes.tolist() == [without.slopes[0], 0.0]
    assert model.predict([[4.0, 5.0]])[1] == pytest.approx(without.predict([[4.0]])[1])


def test_no_knobs_at_all_predict_the_mean():
    model = AllocationModel.fit(np.zeros((3, 0)), [0.5, 0.5, 0.5], 10)
    assert model.predict(np.zeros((1, 0)))[0].tolist() == [0.0]


@pytest.mark.parametrize(
    ("knobs", "accuracies", "items", "said"),
    [
        (np.zeros((0, 1)), [], 10, "at least one pilot"),
        ([[1.0]], [0.5, 0.6], 10, "accuracies of shape"),
        ([1.0], [0.5], 10, "one row of knobs"),
        ([[math.inf]], [0.5], 10, "finite"),
        ([[1.0]], [1.5], 10, "between 0 and 1"),
        ([[1.0]], [math.nan], 10, "between 0 and 1"),
        ([[1.0]], [0.5], 0, "at least 1 item"),
    ],
)
def test_what_cannot_be_fitted_is_refused(knobs, accuracies, items, said):
    with pytest.raises(UsageError, match=said):
        AllocationModel.fit(knobs, accuracies, items)
