"""Regular expressions: what matches, what a group holds, and patterns that take for ever."""

import asyncio
import time

import pytest
from judging import judge, judged
from pydantic import ValidationError

from ponder.orchestrator.errors import UsageError
from ponder.verifiers import VERIFIERS, NumberAnswer, RegexMatch

ANSWER = r"answer is (?P<it>\S+)"


@pytest.mark.parametrize(
    ("verifier", "text", "value"),
    [
        (RegexMatch(pattern="b+"), "abbc", 1.0),
        (RegexMatch(pattern="b+"), "ac", 0.0),
        (RegexMatch(pattern="b+"), "", 0.0),
        (RegexMatch(pattern="b*"), "", 1.0),
        (RegexMatch(pattern="b+", mode="fullmatch"), "abbc", 0.0),
        (RegexMatch(pattern="b+", mode="fullmatch"), "bb", 1.0),
        (RegexMatch(pattern="b+", mode="fullmatch"), "bb\n", 0.0),
        (RegexMatch(pattern="B"), "b", 0.0),
        (RegexMatch(pattern="B", flags=("ignorecase",)), "b", 1.0),
        (RegexMatch(pattern="^b$"), "a\nb\nc", 0.0),
        (RegexMatch(pattern="^b$", flags=("multiline",)), "a\nb\nc", 1.0),
        (RegexMatch(pattern="a.c"), "a\nc", 0.0),
        (RegexMatch(pattern="a.c", flags=("dotall",)), "a\nc", 1.0),
        (RegexMatch(pattern="A . c", flags=("dotall", "verbose", "ignorecase")), "a\nc", 1.0),
        (RegexMatch(pattern=r"\w"), "é", 1.0),
        (RegexMatch(pattern=r"\w", flags=("ascii",)), "é", 0.0),
        (RegexMatch(pattern="^.$"), "😀", 1.0),
    ],
)
def test_matches(verifier: RegexMatch, text: str, value: float) -> None:
    assert judge(verifier, [text], None) == [value]


@pytest.mark.parametrize(
    ("verifier", "text", "value"),
    [
        (RegexMatch(pattern=ANSWER, group=1), "The answer is 42", 1.0),
        (RegexMatch(pattern=ANSWER, group="it"), "The answer is 42", 1.0),
        (RegexMatch(pattern=ANSWER, group="it"), "The answer is 42.0", 0.0),
        (RegexMatch(pattern=ANSWER, group="it", answer=NumberAnswer()), "The answer is 42.0", 1.0),
        (RegexMatch(pattern=ANSWER, group="it", answer=NumberAnswer()), "The answer is forty-two", 0.0),
        (RegexMatch(pattern=ANSWER, group=0), "The answer is 42", 0.0),
        (RegexMatch(pattern=ANSWER, group=1), "42", 0.0),
        (RegexMatch(pattern="(42)|x", group=1), "x42", 0.0),  # the first match is of x alone
        (RegexMatch(pattern=ANSWER, group=1), "The answer is 1. No, the answer is 42", 0.0),
        (RegexMatch(pattern="(?s:.*)" + ANSWER, group=1), "The answer is 1. No, the answer is 42", 1.0),
    ],
)
def test_a_group_is_compared_with_the_reference(verifier: RegexMatch, text: str, value: float) -> None:
    assert judge(verifier, [text], " 42 ") == [value]


@pytest.mark.parametrize("reference", [None, "", "  "])
def test_without_a_reference_a_group_cannot_be_compared(reference: str | None) -> None:
    (score,) = asyncio.run(judged(RegexMatch(pattern="(a)", group=1), ["a"], reference))
    assert (score.value, score.detail) == (None, "the query has no reference answer of kind 'text'")


def test_what_takes_for_ever_is_not_judged_and_holds_nobody_up() -> None:
    slow = RegexMatch(pattern="(a+)+$", cpu_s=0.2)
    texts = ["a" * 50 + "b", "a", "b", "a" * 5000 + "b"]
    judge(slow, ["a"], None)
    began = time.monotonic()
    scores = asyncio.run(judged(slow, texts, None))
    assert time.monotonic() - began < 10
    assert [score.value for score in scores] == [None, 1.0, 0.0, None]
    assert [score.detail for score in scores] == ["time limit", "", "no match", "time limit"]


def test_long_texts_are_judged_but_not_what_a_group_makes_of_them() -> None:
    text = "é" * 1_000_000 + "b"
    assert judge(RegexMatch(pattern="b$"), [text], None) == [1.0]
    (score,) = asyncio.run(judged(RegexMatch(pattern=".+", group=0), [text], "x"))
    assert (score.value, score.detail) == (None, "the group holds more than 10000 characters")


def test_permuting_the_texts_permutes_the_scores() -> None:
    texts = ["a", "b", "", "ab", "\x00b"]
    verifier = RegexMatch(pattern="b")
    scores = judge(verifier, texts, None)
    assert scores == [0.0, 1.0, 0.0, 1.0, 1.0]
    assert judge(verifier, texts[::-1], None) == scores[::-1]
    assert judge(verifier, [], None) == []


@pytest.mark.parametrize(
    ("knobs", "problem"),
    [
        ({"pattern": "("}, r"a regular expression of Python, but: missing \), unterminated subpattern at position 0"),
        ({"pattern": "a{99999999999}"}, "but: the repetition number is too large"),
        ({"pattern": "(" * 5000 + ")" * 5000}, "but: maximum recursion depth"),
        ({"pattern": ""}, "at least 1 character"),
        ({"pattern": "a" * 10_001}, "at most 10000 characters"),
        ({"pattern": "(a)", "group": 2}, r"group must be one that the pattern has \(\[0, 1\]\), got 2"),
        ({"pattern": "(?P<x>a)", "group": "y"}, r"\(\[0, 1, 'x'\]\), got 'y'"),
        ({"pattern": "a", "flags": ["unicode"]}, "flags"),
        ({"pattern": "a", "mode": "match"}, "mode"),
        ({"pattern": "a", "cpu_s": 0}, "cpu_s"),
    ],
)
def test_what_is_no_pattern_is_refused_when_it_is_made(knobs: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        RegexMatch(**knobs)
    with pytest.raises(UsageError, match=problem):
        VERIFIERS.build({"kind": "regex_match", **knobs})


def test_traits() -> None:
    names = {RegexMatch(pattern="a").name, RegexMatch(pattern="b").name, RegexMatch(pattern="a", group=0).name}
    assert len(names) == 3
    assert RegexMatch(pattern="a").name == "regex_match:9f02bd"
    assert RegexMatch(pattern="a").is_recorded
    assert not RegexMatch(pattern="a").needs_reference
    assert RegexMatch(pattern="a", group=0).needs_reference
    (score,) = asyncio.run(judged(RegexMatch(pattern="a"), ["a"], None))
    assert (score.kind, score.scale, score.detail) == ("exact", "binary", "")
