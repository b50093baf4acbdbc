"""Who may vote by confidence, and what the winner's share is."""

from dataclasses import replace

import pytest
from making import candidate, indices

from ponder.orchestrator.types import Candidate
from ponder.strategies.confidence import confidence_of, most_confident, winners_share, with_confidence


def sure(answer: str | None, index: int, *confidences: float) -> Candidate:
    """A candidate whose tokens have these confidences, judged by their mean."""
    (judged,) = with_confidence([replace(candidate(answer, index), confidences=confidences or None)], "mean", 4)
    return judged


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
