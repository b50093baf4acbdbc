"""The final answer is found where people write it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.verifiers.math_text import final_expression, fraction_of, is_within_limits, plain, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{1} no, \boxed{\{2\}}", r"\{2\}"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"\fbox {x}", "x"),
        (r"\boxed{1} then \boxed{12", "1"),
        (r"it is 7, so \boxed{12", None),
        (r"\boxed{}", None),
        ("The answer is $\\frac{1}{2}$. I hope this answer helps.", r"\frac{1}{2}"),
        ("**Answer**: 42", "42"),
        ("The answer to the question is 7 days", "7"),
        ("the work\n#### 1,234", "1,234"),
        ("The answer is\n\n5", "5"),
        ("x^2+1", "x^2+1"),
        (r"\sin(x) + 1", r"\sin(x) + 1"),
        (r"So \(x=5\) and \[y = 6\]", "y = 6"),
        ("It costs $5 and then $6.", "$6"),
        ("12 + 13 = 25\n25 * 2 = 50", "50"),
        ("Tuesday", "Tuesday"),
        ("The answer is (B).", "(B)"),
        ("I do not know", None),
        ("", None),
        ("$$", None),
        ("\n", None),
    ],
)
def test_final_expression(text: str, expected: str | None) -> None:
    assert final_expression(text) == expected


@pytest.mark.parametrize(
    ("spellings", "short"),
    [
        ([r"\$1{,}000", r"\$1{,}000.", "1,000"], "1,000"),
        ([r"50\%", "50", r" 50 \% ", r"50\text{ cm}", r"50^\circ", r"50^{\circ}", "50."], "50"),
        ([r"\dfrac{1}{2}", r"\tfrac {1} {2}", r"\frac{1}{2}"], r"\frac{1}{2}"),
        ([r"\left( 1, 2 \right)", "(1,2)", r"(1,\,2)"], "(1,2)"),
        ([r"\text{Not  enough}", "Not enough", "Not enough."], "Not enough"),
        (["(B)", "B", r"\text{(B)}", r"\text{B}", r"\mathrm{B}"], "B"),
    ],
)
def test_plain(spellings: list[str], short: str) -> None:
    assert {plain(spelling) for spelling in spellings} == {short}


def test_words_and_fractions() -> None:
    assert words_of("Not  Enough") == words_of("not enough.") == "not enough"
    assert words_of("x") is None
    assert words_of("2 cm") is None
    assert [fraction_of(text) for text in (r"\frac{1}{2}", r"-\frac12", r"\frac{x}{2}")] == [
        "1/2",
        "-1/2",
        r"\frac{x}{2}",
    ]


def test_limits() -> None:
    assert is_within_limits("(" * 50 + ")" * 50)
    assert not is_within_limits("(" * 51 + ")" * 51)
    assert is_within_limits("1" * 2000)
    assert not is_within_limits("1" * 2001)


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    expression = final_expression(text)
    assert expression is None or plain(expression) is not None


PIECES = [
    "\\boxed{",
    "$",
    "\\(",
    "answer ",
    "answer to ",
    "1,",
    "{",
    "}",
    "#",
    " ",
    "\\text{",
    "\\begin",
    "arc",
    "9",
    "^\\circ",
    "\\",
]


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_texts_cost_little(piece: str) -> None:
    began = time.process_time()
    for head, tail in (("", ""), ("answer is ", ""), ("1", "x"), ("1^", "x")):
        text = head + piece * 20_000 + tail
        for expression in (text, final_expression(text) or ""):
            is_within_limits(expression)
            plain(expression)
    assert time.process_time() - began < 2
