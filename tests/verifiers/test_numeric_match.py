"""Numbers within a tolerance: exact at its edge, and as cheap for monstrous numbers as for small ones."""

import asyncio
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import judge, judged
from pydantic import ValidationError

from ponder.verifiers import NumericMatch
from ponder.verifiers.number import last_number, value_of

EXACT = NumericMatch(relative=0)
values = st.fractions(max_denominator=10**6)


@pytest.mark.parametrize(
    ("verifier", "gold", "text", "value"),
    [
        (NumericMatch(), "3", "so it is 3.000001", 1.0),
        (NumericMatch(), "3", "so it is 3.0000031", 0.0),
        (NumericMatch(), "3", "3.000003", 1.0),  # the edge itself
        (NumericMatch(), "1,000", "1e3", 1.0),
        (NumericMatch(absolute=0.3, relative=0), "1", "1.3", 1.0),  # not so in floating point
        (NumericMatch(absolute=0.3, relative=0), "1", "0.7", 1.0),
        (NumericMatch(absolute=0.3, relative=0), "1", "1.3000000000000000000001", 0.0),
        (NumericMatch(relative=0.1), "-50", "-55", 1.0),
        (NumericMatch(relative=0.1), "-50", "50", 0.0),
        (NumericMatch(relative=0.1), "50", "55.5", 0.0),  # a tenth of 55.5 would do, a tenth of 50 does not
        (NumericMatch(relative=1), "50", "0", 1.0),
        (NumericMatch(relative=0.5), "0", "0.0001", 0.0),
        (NumericMatch(absolute=0.5, relative=0.5), "0", "-.5", 1.0),
        (EXACT, "1/3", "2/6", 1.0),
        (EXACT, "1/3", "0.3333333333333333", 0.0),
        (NumericMatch(), "1/3", "0.333333", 1.0),
        (NumericMatch(), "3", "no number", 0.0),
        (NumericMatch(), "3", "", 0.0),
        (NumericMatch(), "3", "it is 3, or maybe 4", 0.0),
        (NumericMatch(), "The answer is 3.", "3", 1.0),
    ],
)
def test_values(verifier: NumericMatch, gold: str, text: str, value: float) -> None:
    assert judge(verifier, [text], gold) == [value]


@pytest.mark.parametrize("reference", ["", "none", "1e501", "9" * 600])
def test_without_a_reference_that_it_can_hold_it_cannot_tell(reference: str) -> None:
    (score,) = asyncio.run(judged(NumericMatch(), ["3"], reference))
    assert score.value is None
    assert score.detail.startswith("the reference must be a number below 1e500, but is ")
    assert len(score.detail) < 140


def test_a_query_without_a_reference_is_told_so() -> None:
    (score,) = asyncio.run(judged(NumericMatch(), ["3"], None))
    assert (score.value, score.detail) == (None, "the query has no reference answer")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e999999", 0.0),
        ("-1e999999", 0.0),
        ("1e-999999", 0.0),
        ("2" + "0" * 100_000, 0.0),
        ("2." + "0" * 100_000, 1.0),
        ("2." + "0" * 100_000 + "1", 1.0),
        ("4" * 60_000 + "/" + "2" * 60_000, 1.0),
        ("4" * 60_000 + "/" + "2" * 59_999, 0.0),
        ("4" * 60_000 + "/2", 0.0),
        ("1e999999/7", 0.0),
        ("1/0", 0.0),
    ],
)
def test_monstrous_numbers_are_judged_and_cost_nothing(text: str, value: float) -> None:
    began = time.process_time()
    assert judge(NumericMatch(), [text], "2") == [value]
    assert time.process_time() - began < 1


def test_what_is_all_but_nothing_is_within_any_tolerance_but_none() -> None:
    texts = ["1e-999999", "-1e-999999", "0"]
    assert judge(NumericMatch(), texts, "0") == [0.0, 0.0, 1.0]
    assert judge(NumericMatch(absolute=5e-324), texts, "0") == [1.0, 1.0, 1.0]


@given(values, values, st.floats(0, 1e6), st.floats(0, 1))
def test_it_is_the_formula(answer: Fraction, gold: Fraction, absolute: float, relative: float) -> None:
    tolerance = max(Fraction(repr(absolute)), Fraction(repr(relative)) * abs(gold))
    verifier = NumericMatch(absolute=absolute, relative=relative)
    assert judge(verifier, [str(answer)], str(gold)) == [float(abs(answer - gold) <= tolerance)]


@given(values)
def test_the_value_of_a_spelling_is_the_number(value: Fraction) -> None:
    spelled = last_number(str(value))
    assert spelled is not None
    assert value_of(spelled, 100) == value


@pytest.mark.parametrize(
    ("spelled", "value"), [("9.99", Fraction(999, 100)), ("10", None), ("-10", None), ("-9/2", -4.5)]
)
def test_values_beyond_a_limit_have_none(spelled: str, value: Fraction | None) -> None:
    assert value_of(spelled, 1) == value


def test_names_and_traits() -> None:
    assert NumericMatch().name == "numeric_match"
    assert NumericMatch(absolute=0.5, relative=0).name == "numeric_match:0.5:0"
    assert NumericMatch().needs_reference
    assert not NumericMatch().is_recorded
    (score,) = asyncio.run(judged(NumericMatch(), ["3"], "3"))
    assert (score.kind, score.scale, score.detail) == ("exact", "binary", "")


@pytest.mark.parametrize(
    "knobs", [{"absolute": -1}, {"absolute": float("inf")}, {"relative": 1.1}, {"relative": float("nan")}]
)
def test_bad_tolerances_are_refused(knobs: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        NumericMatch(**knobs)
