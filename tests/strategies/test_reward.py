"""Rewards: every score, of any scale or none, is a number in [0, 1]."""

import math

import pytest
from making import candidate, context

from ponder.orchestrator.types import Score
from ponder.strategies.reward import note_cut, reward


def scored(value: float | None, scale: str = "probability"):
    return candidate("a", 0).with_score("judge", Score(value, scale=scale))


@pytest.mark.parametrize(
    ("value", "scale", "expected"),
    [
        (0.25, "probability", 0.25),
        (1.0, "binary", 1.0),
        (None, "probability", 0.0),
        (math.nan, "reward", 0.0),
        (math.inf, "reward", 0.0),
        (-3.0, "reward", 0.0),
        (7.0, "reward", 1.0),
        (0.0, "logit", 0.5),
        (math.log(3), "logit", 0.75),
        (-1e9, "logit", 0.0),
        (1e9, "logit", 1.0),
    ],
)
def test_a_score_of_any_scale_is_a_reward(value, scale, expected) -> None:
    assert reward(scored(value, scale), "judge") == pytest.approx(expected, abs=1e-12)


def test_what_was_never_judged_is_worth_nothing() -> None:
    assert reward(candidate("a", 0), "another judge") == 0.0


def test_a_cut_is_noted_once_and_nothing_else_is() -> None:
    for values, failures in (([0.0, 1.0, None], 0), ([0.5, 7.0, -1.0], 1)):
        ctx = context()
        note_cut([scored(value, "reward") for value in values], "judge", ctx)
        assert ctx._run.failures == failures
    ctx = context()
    note_cut([scored(-40.0, "logit")], "judge", ctx)
    assert ctx._run.failures == 0
