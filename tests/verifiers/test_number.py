"""Every number has one spelling, and only equal numbers share it."""

import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.verifiers.number import as_number, last_number, spell

decimals = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)
ratios = st.fractions(max_denominator=1000)


@pytest.mark.parametrize(
    "spellings",
    [
        ["3", "3.0", "03", "3.", "+3", "$3", "3e0", "6/2", "It is 3."],
        ["1000", "1,000", "1e3", "1000.00", "$1,000", "so 1,000.0!"],
        ["0.5", ".5", "1/2", "5e-1", "0.50", "50/100"],
        ["-3", "−3", "-3.0", "= -3", "x = −3.", "-6/2"],
        ["0", "-0", "0.0", "00", "0/7", "0e9", "-0.00"],
        ["1/3", "2/6", "100/300"],
    ],
)
def test_spellings_of_one_number_agree(spellings: list[str]) -> None:
    assert {last_number(text) for text in spellings} == {spellings[0]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("no number here", None),
        ("1/0", None),
        ("12 + 13 = 25", "25"),
        ("7-3", "3"),
        ("x2 is 4", "4"),
        ("(1,234)", "1234"),
        ("1,2345", "2345"),
        ("between 1 and 2.5, then", "2.5"),
        ("12/05/2024", "2024"),
        ("½", None),
        ("٣", None),
    ],
)
def test_last_number(text: str, expected: str | None) -> None:
    assert last_number(text) == expected


@given(decimals, decimals)
def test_equal_spelling_means_equal_value(one: Decimal, other: Decimal) -> None:
    assert (as_number(str(one)) == as_number(str(other))) == (one == other)


@given(ratios, st.integers(1, 50))
def test_a_fraction_agrees_with_its_multiples_and_its_decimal(value: Fraction, factor: int) -> None:
    text = as_number(f"{value.numerator * factor}/{value.denominator * factor}")
    assert text == spell(value)
    assert text is not None
    assert Fraction(text) == value


@given(st.text(alphabet="0123456789.,-+eE/$ x\n", max_size=40))
def test_a_spelling_is_its_own_spelling(text: str) -> None:
    spelled = last_number(text)
    assert spelled is None or as_number(spelled) == spelled


@pytest.mark.parametrize(
    "hostile",
    ["1e999999", "9" * 100_000, "1," + "111," * 30_000 + "1111", "1/" + "3" * 50_000, "-" * 100_000, "1e" * 50_000],
)
def test_hostile_numbers_cost_nothing(hostile: str) -> None:
    began = time.process_time()
    last_number(hostile)
    assert time.process_time() - began < 1
