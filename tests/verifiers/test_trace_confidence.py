"""Trace confidence: exact values of every measure, along the whole path of an attempt."""

import math

import numpy as np
import pytest

from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Candidate, Finish, Usage
from ponder.verifiers.trace_confidence import Measure, along_path, trace_confidence, unknown, with_ranks

MEASURES: tuple[Measure, ...] = ("mean", "tail", "bottom", "min")
DRAWN = Usage(completion_tokens=1)


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


def test_a_path_has_the_values_of_its_parts() -> None:
    first = Candidate((1, 2), "ab", Finish.STEP_LENGTH, logprobs=(-1.0, -2.0), confidences=(1.0, 2.0), usage=DRAWN)
    second = Candidate((3,), "c", Finish.EOS, first, confidences=(3.0,), usage=DRAWN)
    assert along_path(second, "confidences") == (1.0, 2.0, 3.0)
    assert along_path(first, "logprobs") == (-1.0, -2.0)
    assert along_path(second, "logprobs") is None


def test_text_that_nobody_generated_has_no_values() -> None:
    first = Candidate((1,), "a", Finish.STEP, confidences=(1.0,), usage=DRAWN)
    forced = Candidate((9, 9), "Wait", Finish.STEP, first)
    last = Candidate((3,), "c", Finish.EOS, forced, confidences=(3.0,), usage=DRAWN)
    assert along_path(last, "confidences") == (1.0, 3.0)
    assert along_path(Candidate((), "", Finish.STEP), "confidences") == ()


def test_the_reason_is_told_where_nothing_is_known() -> None:
    assert unknown(None).startswith("it was drawn without log-probabilities; let best_of_n draw and judge it")
    assert unknown(()) == "no token was generated"
    assert unknown((math.inf,)) == "a log-probability is no finite number"


def test_draws_are_asked_for_with_as_many_ranks_as_are_compared() -> None:
    assert with_ranks(Sampling(max_tokens=7), 5) == Sampling(max_tokens=7, top_logprobs=5)
    assert with_ranks(Sampling(top_logprobs=5), 5).top_logprobs == 5
    with pytest.raises(
        UsageError, match="of as many likeliest tokens, but draws were asked for with top_logprobs 5 and 6"
    ):
        with_ranks(Sampling(top_logprobs=5), 6)
