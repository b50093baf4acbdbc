"""Values: frozen, exact, and never NaN."""

import math
from dataclasses import FrozenInstanceError

import pytest
from pydantic import ValidationError

from ponder.orchestrator.code_tests import CallTest
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Candidate, Finish, Message, Query, Result, Score, Usage


def test_only_what_ends_by_itself_is_complete() -> None:
    assert {finish for finish in Finish if finish.is_complete} == {Finish.EOS, Finish.STOP, Finish.CALLED}
    assert {finish for finish in Finish if not finish.is_terminal} == {Finish.STEP, Finish.STEP_LENGTH}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_score_that_is_no_number_is_none(value) -> None:
    assert Score(value, steps=(0.5,)) == Score(None)


def test_a_score_with_a_broken_step_is_none() -> None:
    assert Score(0.5, steps=(0.5, math.nan)) == Score(None)
    assert Score(0.5, steps=(0.1, 0.5)).steps == (0.1, 0.5)


def test_text_and_tokens_are_those_of_the_path() -> None:
    root = Candidate((1, 2), "ab", Finish.STEP, usage=Usage(completion_tokens=2))
    one, other = (
        Candidate((i,), text, Finish.EOS, parent=root, usage=Usage(completion_tokens=1)) for i, text in enumerate("xy")
    )
    assert (one.text, other.text, root.text) == ("abx", "aby", "ab")
    assert (one.path_tokens, other.path_tokens) == ((1, 2, 0), (1, 2, 1))
    assert (one.generated_tokens, root.generated_tokens) == (3, 2)
    assert list(one.path()) == [root, one]


def test_candidates_are_frozen_and_scores_are_added_to_a_copy() -> None:
    plain = Candidate((1,), "a", Finish.EOS)
    scored = plain.with_score("judge", Score(0.5)).with_answer("3")
    assert (plain.scores, plain.answer) == ({}, None)
    assert (scored.scores["judge"].value, scored.answer) == (0.5, "3")
    with pytest.raises(FrozenInstanceError):
        plain.piece = "b"  # type: ignore[misc]


def test_usage_adds_up() -> None:
    one, other = Usage(10, 4, 5, 1, 0, 0, 100, 7), Usage(1, 0, 2, 0, 1, 3, 50, 3)
    assert Usage.total([one, other]) == one + other == Usage(11, 4, 7, 1, 1, 3, 150, 10)
    assert (one.total_tokens, one.cost_usd) == (15, 7e-9)
    assert other.as_dict() == {
        "prompt_tokens": 1, "completion_tokens": 2, "verifier_calls": 1, "nfe": 3, "flops": 50, "nano_usd": 3,
    }  # fmt: skip


def test_a_result_says_its_best() -> None:
    best = Candidate((1,), "a", Finish.EOS, answer="3")
    result = Result("q", (best, Candidate((2,), "b", Finish.EOS)), Usage(calls=2))
    assert (result.best, result.text, result.answer) == (best, "a", "3")
    empty = Result("q", (), Usage(), "error", "the engine is gone", 1)
    assert (empty.best, empty.text, empty.answer) == (None, "", None)
    assert empty.summary()["reason"] == "the engine is gone"


def test_a_query_is_openai_shaped() -> None:
    assert Query.ask("hi").messages == (Message(role="user", content="hi"),)
    with pytest.raises(ValidationError):
        Query.model_validate({"id": "q", "messages": [{"role": "robot", "content": "hi"}]})
    with pytest.raises(ValidationError):
        Query.model_validate({"id": "q", "messages": [], "answer": "3"})


HALF = "a\ud800"


@pytest.mark.parametrize(
    "made",
    [
        lambda: Query.ask(HALF),
        lambda: Query.ask("a", reference=HALF),
        lambda: Query.ask("a", id=HALF),
        lambda: Message(role="user", content=HALF),
        lambda: Query(id="a", messages=(), metadata={"difficulty": HALF}),
        lambda: Query(id="a", messages=(), metadata={HALF: 1}),
    ],
)
def test_half_a_character_is_refused(made) -> None:
    with pytest.raises(UsageError, match=r"text must be Unicode, but holds half a character .* at 1\); decode it with"):
        made()


def test_whole_ones_are_not() -> None:
    text = "\U0001f600 \ufffd \x00 é"
    assert Query.ask(text, reference=text).messages[0].content == Query.ask(text, reference=text).reference == text


def test_a_query_takes_tests_as_models_and_as_tables() -> None:
    test = CallTest(function="double", args=(3,), result=6)
    assert Query.ask("?", tests=[test, test.model_dump(mode="json")]).tests == (test, test)
    with pytest.raises(UsageError, match=r"query is not valid: tests\.0\.call\.function: .*\(got 'no name'\)"):
        Query.ask("?", tests=[{"kind": "call", "function": "no name", "result": 1}])
