"""The abacus checker knows the truth of every line."""

import asyncio

import pytest
from judging import judge, judged

from ponder.orchestrator.types import Score
from ponder.verifiers import AbacusChecker

PROMPT = "37+52*4-19="
RIGHT = "37+52=89\n89*4=356\n356-19=337\n#337\n"


def check(text: str, reference: str | None = "337", ask: str = PROMPT) -> Score:
    return asyncio.run(judged(AbacusChecker(), [text], reference, ask=ask))[0]


@pytest.mark.parametrize(
    ("text", "value", "steps"),
    [
        (RIGHT, 1.0, (1, 1, 1, 1)),
        ("37+52=88\n88*4=352\n352-19=333\n#333\n", 0.0, (0, 1, 1, 1)),
        ("37+52=89\n89*4=356\n356-19=337\n#336\n", 0.0, (1, 1, 1, 0)),
        ("37+52=89\n#337\n", 1.0, (1, 0)),
        ("37+52=89\n", 0.0, (1,)),
        (RIGHT.removesuffix("\n"), 0.0, (1, 1, 1, 0)),
        ("", 0.0, ()),
        ("\n\n", 0.0, (0, 0)),
        ("who knows", 0.0, (0,)),
    ],
)
def test_exact_values(text: str, value: float, steps: tuple[int, ...]) -> None:
    score = check(text)
    assert (score.value, score.steps) == (value, steps)
    assert (score.kind, score.scale) == ("exact", "binary")


@pytest.mark.parametrize("reference", [None, "", "none"])
def test_without_a_reference_it_cannot_tell(reference: str | None) -> None:
    assert check(RIGHT, reference).value is None


def test_another_question_has_no_step_scores() -> None:
    score = check(RIGHT, ask="What is 37+52?")
    assert (score.value, score.steps) == (1.0, ())


def test_a_very_long_text_costs_little() -> None:
    score = check("1+1=2\n" * 50_000)
    assert score.value == 0.0
    assert len(score.steps) == 50_000
    assert sum(score.steps) == 0.0


def test_permuting_candidates_permutes_scores() -> None:
    texts = [RIGHT, "", "#337\n", "#1\n"]
    assert judge(AbacusChecker(), texts, "337") == [1.0, 0.0, 1.0, 0.0]
    assert judge(AbacusChecker(), texts[::-1], "337") == [0.0, 1.0, 0.0, 1.0]
