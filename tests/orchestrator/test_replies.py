"""What a judge wrote is read exactly, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ponder.orchestrator.replies import listed, passes, permutation, sections, verdict


def test_each_section_belongs_to_its_own_number():
    assert sections("[1]: a\n\nb\n[2]\nc", 2) == ["a\n\nb", "c"]


@pytest.mark.parametrize("reply", ["", "no headings", "[0] a\n[3] b", "[1]\n[2]  \n", "see [1] and [2]", "[" * 999])
def test_what_has_no_section_has_none(reply):
    assert sections(reply, 2) == [None, None]


def test_a_number_with_two_sections_has_none():
    assert sections("[1] a\n[2] b\n[1] c", 2) == [None, "b"]


@pytest.mark.parametrize(("reply", "order"), [("[1]", [0]), (" [2]>[1] \nbecause [1] errs", [1, 0])])
def test_a_ranking_is_read_from_the_first_line(reply, order):
    assert permutation(reply, len(order)) == order


@pytest.mark.parametrize(
    "reply",
    [
        "[1] > [1] > [2]",
        "[1] > [2]",
        "[1] > [2] > [4]",
        "[0] > [1] > [2]",
        "[1-3]",
        "[1] > [2] > [3] > [3]",
        "I rank them:\n[1] > [2] > [3]",
        "[1] > [2] > [3].",
        "",
        f"[{'9' * 5000}] > [2] > [3]",
    ],
)
def test_no_whole_ranking_is_no_ranking(reply):
    assert permutation(reply, 3) is None


@pytest.mark.parametrize(
    ("reply", "texts"),
    [
        ('["a", " ", " b"]', ["a", " b"]),
        ('```json\n["a"]\n```', ["a"]),
        ('["a", 1]', []),
        ('{"a": 1}', []),
        ("[" * 9999, []),
        ("1) a\n2. a\n* b c \n-d", ["a", "b c"]),
        ("", []),
    ],
)
def test_texts_are_listed(reply, texts):
    assert listed(reply, 5) == texts


def test_no_more_texts_than_asked_for():
    assert listed('["a", "b", "c"]', 2) == ["a", "b"]


@pytest.mark.parametrize(
    "reply", ["", "Correct", "[correct]", "[Correct] [Incorrect]", "not [Correct]", "[Correct]\nno"]
)
def test_a_verdict_stands_alone_on_the_last_line(reply):
    assert verdict("why\n  [Incorrect] \n", ["Correct", "Incorrect"]) == "Incorrect"
    assert verdict(reply, ["Correct", "Incorrect"]) is None


@pytest.mark.parametrize(
    ("reply", "values"),
    [
        ("Unit Test #1: [Passed]\nUnit Test #2: [Failed]", [1.0, 0.0]),
        ("Unit Test #2: [Passed]", [0.5, 1.0]),
        ("Unit Test #1: does not [Passed]\nUnit Test #2: passed", [0.5, 0.5]),
        ("Unit Test #1: [Passed]\nUnit Test #1: [Failed]\nUnit Test #3: [Passed]", [0.5, 0.5]),
        ("", [0.5, 0.5]),
    ],
)
def test_only_an_exact_tag_passes_or_fails_a_test(reply, values):
    assert passes(reply, 2) == values


PIECES = some.sampled_from(
    [
        "[1]",
        "[2]",
        "[99]",
        " > ",
        "\n",
        "- ",
        "1. ",
        '["',
        '", "',
        '"]',
        "[Correct]",
        "Unit Test #1: [Passed]",
        "x",
        "```",
    ]
)


@given(some.lists(PIECES, max_size=12).map("".join) | some.text(max_size=40))
def test_whatever_is_written_is_read_within_bounds_or_not_at_all(reply):
    assert len(sections(reply, 2)) == 2
    assert permutation(reply, 2) in (None, [0, 1], [1, 0])
    texts = listed(reply, 3)
    assert len(texts) == len(set(texts)) <= 3
    assert all(text.strip() for text in texts)
    assert verdict(reply, ["Correct", "Tie"]) in (None, "Correct", "Tie")
    assert set(passes(reply, 2)) <= {0.0, 0.5, 1.0}
