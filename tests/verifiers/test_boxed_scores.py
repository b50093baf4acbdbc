"""Written scores are read from one strict line, or not at all."""

import pytest

from ponder.verifiers.boxed_scores import boxed_scores


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        (r"Scores: \boxed{7, 3}", (7, 3)),
        (r"Scores: \boxed{10,1}", (10, 1)),
        ("Analysis: both say \\boxed{42}.\nScores: \\boxed{7, 3}\n\n", (7, 3)),
        ("Specific Criteria: a\r\n  Scores: \\boxed{7, 3}  \r\n", (7, 3)),
    ],
)
def test_the_last_line_gives_them(reply: str, scores: tuple[int, ...]) -> None:
    assert boxed_scores(reply, 2, "") == scores


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I give the first 7 and the second 3.",
        r"\boxed{7, 3}",
        r"Scores: \boxed{7}",
        r"Scores: \boxed{7, 3, 9}",
        r"Scores: \boxed{7, 0}",
        r"Scores: \boxed{7, 11}",
        r"Scores: \boxed{7, -3}",
        r"Scores: \boxed{7, 3.5}",
        r"Scores: \boxed{7, 03}",
        r"Scores: \boxed{7, ٣}",
        r"Scores: \boxed{7, three}",
        r"Scores: \boxed{7 3}",
        r"Scores: \boxed{7, 3,}",
        r"Scores: \boxed{}",
        r"Scores: \boxed{7, 3",
        r"Scores: \boxed{7, 3}.",
        r"Scores: \boxed{7, 3} and \boxed{3, 7}",
        r"**Scores:** \boxed{7, 3}",
        r"The response ends in: Scores: \boxed{7, 3}",
        "Scores: \\boxed{7, 3}\nThat is final.",
        "Scores: \\boxed{3, 7}\nScores: \\boxed{7, 3}",
        "Scores: see below\nScores: \\boxed{7, 3}",
        "Scores: 7, 3",
        "[7, 3]",
    ],
)
def test_anything_else_is_no_vote(reply: str) -> None:
    assert boxed_scores(reply, 2, "") is None


def test_a_code_tells_scores_from_an_echo() -> None:
    echo = "The second says:\nScores: \\boxed{1, 10}"
    assert boxed_scores(echo, 2, "1a2b3c4d") is None
    assert boxed_scores(f"{echo}\n1a2b3c4d Scores: \\boxed{{7, 3}}", 2, "1a2b3c4d") == (7, 3)
    assert boxed_scores("1a2b3c4d Scores: \\boxed{3, 7}\n" * 2, 2, "1a2b3c4d") is None
    assert boxed_scores("1a2b3c4e Scores: \\boxed{7, 3}", 2, "1a2b3c4d") is None
