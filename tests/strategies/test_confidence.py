"""Trace confidence: exact values of every measure, and who may vote."""

import math
from dataclasses import replace

import numpy as np
import pytest
from making import candidate, indices

from ponder.orchestrator.types import Candidate, Finish
from ponder.strategies.confidence import (
    Measure,
    confidence_of,
    most_confident,
    path_confidences,
    trace_confidence,
    winners_share,
    with_confidence,
)

MEASURES: tuple[Measure, ...] = ("mean", "tail", "bottom", "min")


def sure(answer: str | None, index: int, *confidences: float) -> Candidate:
    """A candidate whose tokens have these confidences, judged by their mean."""
    (judged,) = with_confidence([replace(candidate(answer, index), confidences=confidences or None)], "mean", 4)
    return judged


@pytest.mark.parametrize(("measure", "value"), [("mean", 3.5), ("tail", 4.5), ("bottom", 2.0), ("min", 2.0)])
def test_values(measure: Measure, value: float) -> None:
    assert trace_confidence((4.0, 1.0, 3.0, 6.0), measure, 2) == value


def test_bottom_is_the_mean_of_the_least_tenth_of_windows() -> None:
    confidences = [5.0] * 20 + [1.0, 2.0] + [5.0] * 8
    assert trace_confidence(confidences, "bottom", 1) == (1 + 2 + 5) / 3
    assert trace_confidence(confidences[:29], "bottom", 1) == (1 + 2) / 2
    assert trace_confidence(confidences, "min", 1) == 1


def test_measures_are_those_of_windows_counted_out() -> None:
    rng = np.random.default_rng(0)
    for size, window in [(1, 1), (7, 3), (40, 8), (500, 64)]:
        values = rng.gamma(2.0, 3.0, size).tolist()
        groups = sorted(sum(values[i : i + window]) / window for i in range(size - window + 1))
        tenth = groups[: max(1, len(groups) // 10)]
        expected = (sum(values) / size, sum(values[-window:]) / window, sum(tenth) / len(tenth), groups[0])
        assert tuple(trace_confidence(values, measure, window) for measure in MEASURES) == pytest.approx(expected)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_trace_shorter_than_a_window_uses_what_it_has(measure: Measure) -> None:
    assert trace_confidence((1.0, 2.0), measure, 2048) == 1.5


@pytest.mark.parametrize("measure", MEASURES)
def test_equal_windows_are_equal_wherever_they_stand(measure: Measure) -> None:
    assert trace_confidence([0.1] * 997, measure, 7) == trace_confidence([0.1] * 7, measure, 7)


@pytest.mark.parametrize("measure", MEASURES)
def test_without_tokens_or_with_one_that_is_no_number_there_is_none(measure: Measure) -> None:
    assert trace_confidence((), measure, 4) is None
    assert trace_confidence((1.0, math.inf), measure, 4) is None
    assert trace_confidence((1.0, math.nan), measure, 4) is None


def test_a_path_has_the_confidences_of_its_parts() -> None:
    first = Candidate((1, 2), "ab", Finish.STEP_LENGTH, confidences=(1.0, 2.0))
    second = Candidate((3,), "c", Finish.EOS, first, confidences=(3.0,))
    assert path_confidences(second) == (1.0, 2.0, 3.0)
    assert path_confidences(replace(second, confidences=None)) == ()


def test_a_score_is_filed_as_the_models_own_word() -> None:
    score = sure("1", 0, 2.0, 4.0).scores["confidence"]
    assert (score.value, score.kind, score.scale) == (3.0, "self", "reward")
    assert confidence_of(sure("1", 0)) is None


def test_the_share_that_votes_is_rounded_up() -> None:
    traces = [sure("1", index, float(index)) for index in range(100)]
    assert indices(most_confident(traces, 0.07)) == [99, 98, 97, 96, 95, 94, 93]
    assert len(most_confident(traces, 0.001)) == 1
    assert len(most_confident(traces, 0.071)) == 8
    assert len(most_confident(traces, 1.0)) == 100
    assert most_confident([], 0.5) == []


def test_those_without_an_answer_take_nobodys_place() -> None:
    traces = [sure(None, 0, 9.0), sure(None, 1, 8.0), sure("1", 2, 2.0), sure("2", 3, 1.0)]
    assert indices(most_confident(traces, 0.5)) == [2]


def test_those_without_a_confidence_vote_only_where_nobody_has_one() -> None:
    assert indices(most_confident([sure("1", 0), sure("2", 1, 0.0)], 1.0)) == [1]
    assert indices(most_confident([sure("1", 0), sure("2", 1)], 0.1)) == [0, 1]


def test_equals_go_by_length_then_index() -> None:
    traces = [sure("1", index, 3.0) for index in (2, 0, 1)]
    assert indices(most_confident(traces, 0.5)) == [0, 1]


def test_the_winners_share_is_of_the_weights() -> None:
    assert winners_share([sure("1", 0, 6.0), sure("2", 1, 1.0), sure("2", 2, 1.0), sure(None, 3, 9.0)]) == 0.75
    assert winners_share([sure("1", 0), sure("2", 1), sure("2", 2)]) == pytest.approx(2 / 3)
    assert winners_share([sure("1", 0, 0.0), sure("1", 1, 0.0)]) == 1.0
    assert winners_share([sure(None, 0, 1.0)]) == winners_share([]) == 0.0
