"""Scalar judge: the expected rating, exact for given probabilities; written ratings read strictly."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from judge_engine import JudgeEngine, fenced_texts, prompt_text
from judge_prompts import code_of
from judging import context, judged
from pydantic import ValidationError

from ponder.orchestrator.engine import Prompt
from ponder.orchestrator.types import Score
from ponder.verifiers import ScalarJudge


def run(engine: JudgeEngine, texts: Sequence[str] = ("It is 4.",), **knobs: object) -> list[Score]:
    verifier = ScalarJudge.model_validate(knobs)
    return asyncio.run(judged(verifier, texts, None, context({"generator": engine})))


def sure(chances: Mapping[str, float]) -> JudgeEngine:
    return JudgeEngine(chances=lambda _, labels: [chances.get(label, 0.0) for label in labels])


@pytest.mark.parametrize(
    ("chances", "value"),
    [
        ({"9": 1.0}, 1.0),
        ({"1": 1.0}, 0.0),
        ({"5": 1.0}, 0.5),
        ({"1": 0.5, "9": 0.5}, 0.5),
        ({"3": 0.25, "4": 0.75}, (0.25 * 2 + 0.75 * 3) / 8),
        ({"8": 0.3, "9": 0.3}, 7.5 / 8),
        ({str(digit): 1 / 9 for digit in range(1, 10)}, 0.5),
    ],
)
def test_the_score_is_the_expected_rating(chances: dict[str, float], value: float) -> None:
    engine = sure(chances)
    (score,) = run(engine)
    assert score.value == pytest.approx(value, abs=1e-12)
    assert engine.calls == 1 and score.usage.completion_tokens == score.usage.verifier_calls == 1


@pytest.mark.parametrize(("mass", "is_scored"), [(0.49, False), (0.51, True), (0.0, False)])
def test_a_judge_that_would_write_something_else_gives_no_score(mass: float, is_scored: bool) -> None:
    (score,) = run(sure({"9": mass}))
    assert (score.value is not None) == is_scored
    assert is_scored or "something else" in score.detail
    assert score.usage.verifier_calls == 1
    assert run(sure({"9": mass}), least_mass=0)[0].value == (1.0 if mass else None)


def test_labels_are_a_knob_and_so_is_their_order() -> None:
    labels = {"A": 4, "B": 3, "C": 0}
    engine = sure({"A": 0.5, "C": 0.5})
    assert run(engine, labels=labels)[0].value == 0.5
    assert run(sure({"B": 1.0}), labels=labels)[0].value == 0.75
    assert run(sure({"B": 1.0}), labels=dict(reversed(labels.items())))[0].value == 0.75
    assert prompt_text(engine.prompts[0]).endswith("one of C, B, A, from worst to best.")


def test_labels_that_begin_alike_cannot_be_read() -> None:
    (score,) = run(sure({"1": 1.0}), labels={"1": 1, "10": 10})
    assert score.value is None and "'generator'" in score.detail


def test_each_candidate_is_judged_by_itself() -> None:
    def chances(prompt: Prompt, labels: Sequence[str]) -> list[float]:
        return [float(label == fenced_texts(prompt)[1][-1]) for label in labels]

    engine = JudgeEngine(chances=chances)
    assert [score.value for score in run(engine, ["It is 9", "It is 1", "", "It is 5"])] == [1, 0, 0, 0.5]
    assert [fenced_texts(prompt) for prompt in engine.prompts] == [["?", f"It is {i}"] for i in (9, 1, 5)]
    assert not ScalarJudge().is_relative


def written(*replies: str, **knobs: object) -> Score:
    said = iter(replies)
    engine = JudgeEngine(lambda prompt: next(said).replace("CODE", code_of(prompt)))
    return run(engine, form="written", votes=len(replies), **knobs)[0]


def test_written_ratings_have_a_mean() -> None:
    score = written("So so.\nCODE[5]", "CODE[9]\n", "CODE[1]", "CODE[9]")
    assert (score.value, score.detail) == (0.625, "4 of 4 votes valid")
    assert score.usage.verifier_calls == 4
    assert written("CODE[10]", labels={str(i): i for i in range(11)}).value == 1.0
    assert written("[9]", signed=False).value == 1.0


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "9",
        "[9]",
        "CODE9",
        "CODE[0]",
        "CODE[10]",
        "CODE[-9]",
        "CODE[9.5]",
        "CODE[ 9 ]",
        "CODE[[9]]",
        "CODE[9].",
        "CODE[9] CODE[1]",
        "CODE[nine]",
        "I say CODE[9]",
        "CODE[9]\nbut who knows",
        "1a2b3c4d [9]",
        '{"score": 9}',
    ],
)
def test_a_malformed_rating_is_dropped_and_never_guessed(reply: str) -> None:
    score = written(reply, "CODE[3]")
    assert (score.value, score.detail) == (0.25, "1 of 2 votes valid")
    assert written(reply).value is None


def test_a_rating_that_is_cut_is_dropped() -> None:
    assert written("[9]", signed=False, max_tokens=3).value is None
    assert written("[9]", signed=False, max_tokens=4).value == 1.0


def test_lost_replies_are_lost_alone() -> None:
    calls = iter(range(9))
    engine = JudgeEngine(lambda prompt: None if next(calls) == 1 else f"{code_of(prompt)}[9]")
    (score,) = run(engine, form="written", votes=3)
    assert (score.value, score.detail) == (1.0, "2 of 3 votes valid")


def test_names_tell_apart_what_differs() -> None:
    assert ScalarJudge().name == "scalar_judge"
    assert ScalarJudge(engine="judge", form="written").name == "scalar_judge:judge:written"


def test_it_bounds_its_cost() -> None:
    engines = {"generator": sure({})}
    assert ScalarJudge().bound(engines, 10, 5).verifier_calls == 1
    bound = ScalarJudge(form="written", votes=3, max_tokens=50).bound(engines, 10, 5)
    assert (bound.verifier_calls, bound.completion_tokens) == (3, 150)


@pytest.mark.parametrize(
    "knobs",
    [
        {"labels": {}},
        {"labels": {"1": 1}},
        {"labels": {"1": 1, "2": 1}},
        {"labels": {"": 1, "2": 2}},
        {"labels": {"1": float("nan"), "2": 2}},
        {"least_mass": 1.5},
        {"votes": 0},
        {"form": "prose"},
        {"prompt": "{question} {response}"},
        {"labels_prompt": "{question} {response} {scale} {code}"},
    ],
)
def test_bad_knobs_are_refused(knobs: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ScalarJudge.model_validate(knobs)
