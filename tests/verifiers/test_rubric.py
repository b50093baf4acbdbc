"""Rubrics: the weighted chance that each item is met; what could not be read is unknown, not failed."""

import asyncio
from collections.abc import Sequence

import pytest
from judge_engine import JudgeEngine, fenced_texts, prompt_text
from judging import context, judged
from pydantic import ValidationError

from ponder.orchestrator.engine import Prompt
from ponder.orchestrator.types import Score
from ponder.verifiers import Rubric

ITEMS = ("It is short.", "It is right.", "It is kind.")


def judge(*chances: tuple[float, float]) -> JudgeEngine:
    """The chances of yes and no for each item."""

    def of(prompt: Prompt, labels: Sequence[str]) -> tuple[float, ...]:
        item = prompt_text(prompt).rpartition("Requirement: ")[2]
        return chances[ITEMS.index(item)]

    return JudgeEngine(chances=of)


def run(engine: JudgeEngine, texts: Sequence[str] = ("It is 4.",), **knobs: object) -> list[Score]:
    verifier = Rubric.model_validate({"items": ITEMS, **knobs})
    return asyncio.run(judged(verifier, texts, None, context({"generator": engine})))


def test_the_score_is_the_mean_chance_that_an_item_is_met() -> None:
    engine = judge((0.75, 0.25), (0.3, 0.3), (0.0, 1.0))
    (score,) = run(engine)
    assert score.value == pytest.approx(1.25 / 3)
    assert score.steps == pytest.approx((0.75, 0.5, 0.0))
    assert (score.detail, engine.calls, score.usage.verifier_calls) == ("3 of 3 items known", 3, 3)
    assert run(engine, weights=(2, 1, 1))[0].value == pytest.approx(0.5)


def test_an_item_that_cannot_be_read_is_unknown_and_left_out() -> None:
    (score,) = run(judge((1.0, 0.0), (0.2, 0.2), (0.25, 0.75)), weights=(1, 5, 3))
    assert score.value == pytest.approx((1 + 3 * 0.25) / 4)
    assert (score.steps, score.detail) == ((), "2 of 3 items known")
    (score,) = run(judge((0.1, 0.1), (0.2, 0.2), (0.0, 0.0)))
    assert score.value is None and score.usage.verifier_calls == 3
    assert run(judge((0.1, 0.1), (0.2, 0.2), (0.0, 0.0)), least_mass=0)[0].value == pytest.approx(0.5)


def test_a_lost_item_is_lost_alone() -> None:
    def chances(prompt: Prompt, _: object) -> tuple[float, ...]:
        return () if "kind" in prompt_text(prompt) else (1.0, 0.0)

    (score,) = run(JudgeEngine(chances=chances))
    assert (score.value, score.detail) == (1.0, "2 of 3 items known")


def test_each_candidate_is_asked_about_by_itself_and_items_come_last() -> None:
    engine = judge(*[(1.0, 0.0)] * 3)
    assert [score.value for score in run(engine, ["a", "", "b"])] == [1, 0, 1]
    assert [fenced_texts(prompt) for prompt in engine.prompts] == [["?", text] for text in "aaabbb"]
    starts = {prompt_text(prompt).rpartition("Requirement: ")[0] for prompt in engine.prompts}
    assert len(starts) == 2


def test_the_labels_are_a_knob() -> None:
    seen: list[Sequence[str]] = []

    def chances(prompt: Prompt, labels: Sequence[str]) -> tuple[float, ...]:
        seen.append(labels)
        return (1.0, 0.0)

    assert run(JudgeEngine(chances=chances), labels=("good", "bad"))[0].value == 1
    assert seen == [["g", "b"]] * 3


def test_it_bounds_its_cost() -> None:
    bound = Rubric(items=ITEMS).bound({"generator": judge()}, 10, 5)
    assert bound.verifier_calls == bound.completion_tokens == 3


@pytest.mark.parametrize(
    "knobs",
    [
        {"items": ()},
        {"items": ("",)},
        {"items": ("a", "a")},
        {"weights": (1, 2)},
        {"weights": (1, 2, 0)},
        {"labels": ("Yes",)},
        {"labels": ("Yes", "Yes")},
        {"prompt": "{question} {response} {item}"},
    ],
)
def test_bad_knobs_are_refused(knobs: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rubric.model_validate({"items": ITEMS, **knobs})
