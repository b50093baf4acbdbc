"""Answers are the same when their keys are: an equivalence, whatever the order."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Completion, Request
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Query
from ponder.strategies import SelfConsistency
from ponder.verifiers.answers import (
    ANSWERS,
    AbacusAnswer,
    AnswerKey,
    AnyAnswer,
    NumberAnswer,
    SymbolicAnswer,
    TextAnswer,
)

LIGHT = [TextAnswer(), NumberAnswer(), AbacusAnswer()]
ALL = [*LIGHT, SymbolicAnswer()]
TEXTS = [
    *("3", "3.0", r"\boxed{\frac{6}{2}}", "x = 3", "", "no idea at all", "so #3", "7*6=42\n#42\n", "42", " 42 "),
    *(r"$\frac{\sqrt2}{2}$", r"\boxed{1/\sqrt{2}}", r"\boxed{(1,2)}", r"\boxed{1<x<2}", "Tuesday"),
]


def keys(answer: AnswerKey, texts: Sequence[str]) -> list[str | None]:
    return asyncio.run(answer.keys(texts))


@pytest.mark.parametrize("answer", ALL, ids=lambda answer: answer.kind)
def test_permuting_the_texts_permutes_the_keys(answer: AnswerKey) -> None:
    found = keys(answer, TEXTS)
    assert keys(answer, TEXTS[::-1]) == found[::-1]
    assert [keys(answer, [text])[0] for text in TEXTS] == found
    assert keys(answer, []) == []


@pytest.mark.parametrize("answer", LIGHT, ids=lambda answer: answer.kind)
@given(texts=st.lists(st.text(alphabet="#0123456789.,/-\n ab", max_size=12), max_size=6))
def test_same_key_is_an_equivalence(answer: AnswerKey, texts: list[str]) -> None:
    found = dict(zip(texts, keys(answer, texts), strict=True))
    classes: dict[str, set[str]] = {}
    for text, key in found.items():
        if key is not None:
            assert isinstance(hash(key), int)
            classes.setdefault(key, set()).add(text)
    for key, members in classes.items():
        assert set(keys(answer, sorted(members))) == {key}
    assert sum(map(len, classes.values())) + list(found.values()).count(None) == len(found)


@pytest.mark.parametrize("answer", ALL, ids=lambda answer: answer.kind)
def test_a_text_without_answer_abstains(answer: AnswerKey) -> None:
    assert keys(answer, ["", "   ", "\n"]) == [None, None, None]


def test_text_is_the_whole_text() -> None:
    assert keys(TextAnswer(), [" yes \n", "Yes"]) == ["yes", "Yes"]


def test_abacus_reads_only_a_finished_answer_line() -> None:
    assert keys(AbacusAnswer(), ["7*6=42\n#42\n", "7*6=42\n#42", "42", "#042\n"]) == ["42", None, None, None]
    assert asyncio.run(AbacusAnswer().reference_key("42")) == "42"
    assert asyncio.run(AbacusAnswer().reference_key("7*6=42\n#42\n")) == "42"
    assert asyncio.run(AbacusAnswer().reference_key("")) is None


@pytest.mark.parametrize(
    ("spellings", "key"),
    [
        (
            [
                r"\boxed{\frac{1}{2}}",
                "0.5",
                "1/2",
                r"$x=\frac{2}{4}$",
                r"\boxed{2^{-1}}",
                r"\boxed{\cos \frac{\pi}{3}}",
            ],
            "0.5",
        ),
        (
            [r"\boxed{50\%}", "50", r"\boxed{x=50}", r"\boxed{y=50}", r"\boxed{50\text{ cm}}", r"\boxed{5\cdot 10}"],
            "50",
        ),
        ([r"\boxed{\frac{1}{\sqrt2}}", r"$\frac{\sqrt{2}}{2}$", r"\boxed{\sin 45^\circ \cdot 0 + 2^{-1/2}}"], None),
        ([r"\boxed{(x+1)^2}", r"$x^2+2x+1$", r"\boxed{1+x(x+2)}", r"\boxed{\frac{(x+1)^3}{x+1}}"], "x**2 + 2*x + 1"),
        ([r"\boxed{\{1,2\}}", r"\boxed{\{2, 1\}}", r"\boxed{2,1}", r"\boxed{x=1 \text{ or } x=2}"], "{1, 2}"),
        ([r"\boxed{\sqrt{3+2\sqrt2}-\sqrt2}", r"\boxed{\sin^2 x+\cos^2 x}", "1.0", "12 - 11 = 1"], "1"),
        ([r"\boxed{x \ge 3}", r"\boxed{3 \le x}"], "x >= 3"),
        ([r"\boxed{1<x<2}", r"\boxed{2 > x > 1}"], None),
        ([r"\boxed{\text{Not enough}}", r"\boxed{\text{not enough}}"], "text:not enough"),
        ([r"\boxed{\begin{pmatrix}1\\2\end{pmatrix}}", r"\boxed{\begin{pmatrix} \frac22 \\ 2.0 \end{pmatrix}}"], None),
        ([r"\boxed{\pi r^2}", r"\boxed{r^2 \pi}", r"\boxed{\pi\,r\cdot r}"], None),
        ([r"\boxed{\sqrt x}", r"\boxed{\sqrt{x}}", r"$x^{1/2}$"], "sqrt(x)"),
    ],
)
def test_spellings_of_one_value_agree(spellings: list[str], key: str | None) -> None:
    found = set(keys(SymbolicAnswer(cpu_s=10), spellings))
    assert len(found) == 1
    assert None not in found
    assert key is None or found == {key}


@pytest.mark.parametrize(
    ("reference", "key"),
    [("Not enough", "text:not enough"), ("3", "3"), (r"so $x = 3$", "3"), (r"\frac12", "0.5"), ("", None), ("}", None)],
)
def test_a_bare_reference_is_read_as_an_answer(reference: str, key: str | None) -> None:
    assert asyncio.run(SymbolicAnswer(cpu_s=10).reference_key(reference)) == key


def test_different_values_disagree() -> None:
    texts = [
        *(r"\boxed{(1,2)}", r"\boxed{[1,2]}", r"\boxed{\{1,2\}}", r"\boxed{1<x<2}", r"\boxed{\sqrt 2}", "1.41421356"),
        *(r"\boxed{0.\overline{3}}", r"\boxed{0.3}", r"\boxed{12_7}", r"\boxed{12_8}", r"\boxed{x+1}", r"\boxed{x-1}"),
    ]
    found = keys(SymbolicAnswer(cpu_s=10), texts)
    assert None not in found
    assert len(set(found)) == len(texts)


def test_what_cannot_be_read_agrees_with_itself_alone() -> None:
    deep = "(" * 60 + "1" + ")" * 60
    texts = [
        r"\boxed{9^{9^{9^9}}}",
        r"$9^{9^{9^9}}$",
        r"\boxed{9^{9^{9^{9}}}}",
        rf"\boxed{{{deep}}}",
        "x+" * 1500 + "x",
    ]
    found = keys(SymbolicAnswer(cpu_s=0.3), texts)
    assert all(key is not None and key.startswith("text:") for key in found)
    assert found[0] == found[1]
    assert len(set(found)) == len(texts) - 1


@settings(max_examples=25, deadline=None)
@given(st.fractions(max_denominator=30), st.fractions(max_denominator=30), st.sampled_from(["+", "-", r"\cdot"]))
def test_sums_and_products_have_the_key_of_their_value(one: object, other: object, sign: str) -> None:
    value = {"+": one.__add__, "-": one.__sub__, r"\cdot": one.__mul__}[sign](other)
    text = rf"\boxed{{\left({one}\right) {sign} \left({other}\right)}}"
    assert keys(SymbolicAnswer(cpu_s=10), [text]) == keys(NumberAnswer(), [str(value)])


class Holder(BaseModel):
    answer: AnyAnswer = NumberAnswer()


@pytest.mark.parametrize("answer", [*ALL, SymbolicAnswer(cpu_s=0.5)], ids=lambda answer: answer.kind)
def test_an_answer_is_data(answer: AnswerKey) -> None:
    saved = Holder(answer=answer).model_dump(mode="json")
    assert saved["answer"]["kind"] == answer.kind
    assert Holder.model_validate(saved) == Holder(answer=answer)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"kind": "numbr"}, "did you mean 'number'"),
        ({}, "must name its kind"),
        ("number", "must be a table with a kind"),
        ({"kind": "math", "cpu_s": float("nan")}, "cpu_s"),
        ({"kind": "math", "cpu_s": 0}, "cpu_s"),
        (Holder(), "AnswerKey"),
    ],
)
def test_a_bad_answer_is_refused(table: object, problem: str) -> None:
    with pytest.raises((UsageError, ValidationError), match=problem):
        Holder.model_validate({"answer": table})


def test_only_answers_with_a_time_limit_are_recorded() -> None:
    assert [answer.is_recorded for answer in ALL] == [False, False, False, True]
    assert ANSWERS.names() == ["abacus", "math", "number", "text"]


class Hostile(SimulatedEngine):
    """Writes mathematics that takes for ever to read, each time another."""

    async def complete(self, request: Request) -> Completion:
        done = await super().complete(request)
        return replace(done, text=rf"\boxed{{9^{{9^{{9^{{{request.seed}}}}}}}}}")


async def test_hard_mathematics_does_not_hold_a_run_over_its_deadline():
    async with Runtime({"generator": Hostile(SimulatedSpec())}) as here:
        began = time.monotonic()
        strategy = SelfConsistency(n=8, max_tokens=48, answer=SymbolicAnswer(cpu_s=3))  # not over by the deadline
        result = await here.run(strategy, Query.ask("Problem 3?"), Budget(seconds=1))
    assert time.monotonic() - began < 8
    assert (result.stopped, len(result.candidates), result.answer) == ("deadline", 8, None)
