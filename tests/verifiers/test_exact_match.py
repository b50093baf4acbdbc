"""Exact match: the key of the answer is the key of the reference."""

import asyncio

from judging import judge, judged

from ponder.verifiers import AbacusAnswer, ExactMatch, NumberAnswer, SymbolicAnswer, TextAnswer


def test_equal_keys_are_right_and_unreadable_answers_wrong() -> None:
    texts = ["It is 1,000.0", "1e3", "999", "no number", ""]
    assert judge(ExactMatch(), texts, "1000") == [1.0, 1.0, 0.0, 0.0, 0.0]


def test_without_a_readable_reference_it_cannot_tell() -> None:
    for reference in (None, "", "none"):
        scores = asyncio.run(judged(ExactMatch(), ["3", "no number"], reference))
        assert [score.value for score in scores] == [None, None]
        assert all("reference" in score.detail for score in scores)


def test_other_answers() -> None:
    assert judge(ExactMatch(answer=TextAnswer()), [" yes", "no"], "yes") == [1.0, 0.0]
    assert judge(ExactMatch(answer=AbacusAnswer()), ["7*6=42\n#42\n", "42"], "42") == [1.0, 0.0]
    assert judge(ExactMatch(answer=SymbolicAnswer()), [r"\boxed{\frac{2}{4}}", r"$\sqrt2$", "eh, no"], "0.5") == [
        1.0,
        0.0,
        0.0,
    ]


def test_scores_are_exact_and_binary() -> None:
    (score,) = asyncio.run(judged(ExactMatch(), ["3"], "3"))
    assert (score.kind, score.scale, score.detail) == ("exact", "binary", "")


def test_no_candidates_no_scores() -> None:
    assert judge(ExactMatch(), [], "3") == []


def test_names_and_traits() -> None:
    assert ExactMatch().name == "exact_match"
    assert ExactMatch(answer=NumberAnswer()).name == "exact_match"
    assert ExactMatch(answer=SymbolicAnswer()).name == "exact_match:math"
    assert ExactMatch(answer=SymbolicAnswer()).is_recorded
    assert not ExactMatch().is_recorded
    assert ExactMatch().needs_reference
