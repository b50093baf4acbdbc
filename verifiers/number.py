"""Numbers as people write them, and one spelling for each value.

Only strings are handled, never a power of ten: ``1e999999`` costs what six digits cost.
"""

from __future__ import annotations

import re
from fractions import Fraction

LONGEST_PLAIN = 40
LONGEST_EXACT = 1000
MOST_DIGITS = 1000
_BODY = r"(?P<body>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\]}.])[-+−])?\$?"
    + _BODY
    + r"(?:[eE](?P<exponent>[-+]?[0-9]{1,6})(?![0-9]))?(?:/(?P<below>[0-9]+)(?!\.?[0-9]))?"
)


def last_number(text: str) -> str | None:
    """The canonical spelling of the last number in `text`: thousands marks, fractions ``a/b`` and exponents are read.

    >>> [last_number(text) for text in ("It is 3.0", "costs $1,000.", "p = 6/4", "none", "7 - 3", "= −3")]
    ['3', '1000', '1.5', None, '3', '-3']
    """
    found = None
    for found in _NUMBER.finditer(text):  # noqa: B007 - the last one is wanted
        pass
    return None if found is None else _canonical(found)


def as_number(text: str) -> str | None:
    """The canonical spelling of `text` where the whole of it is one number.

    >>> as_number("03"), as_number("3 apples")
    ('3', None)
    """
    found = _NUMBER.fullmatch(text.strip())
    return None if found is None else _canonical(found)


def spell(value: Fraction) -> str:
    """A decimal where the value has a short one, else a reduced fraction.

    >>> spell(Fraction(3, 8)), spell(Fraction(2, 6)), spell(Fraction(-40))
    ('0.375', '1/3', '-40')
    """
    places, rest = 0, value.denominator
    for factor in (2, 5):
        power = 0
        while rest % factor == 0:
            rest //= factor
            power += 1
        places = max(places, power)
    if rest != 1:
        return str(value)
    digits = str(abs(value.numerator) * 10**places // value.denominator)
    return _decimal("-" if value < 0 else "", digits, -places)


def value_of(number: str, within: int) -> Fraction | None:
    """The value of a canonical spelling; None where it is 10**`within` or more.

    Digits after the first 1,000 are taken for zeros, and what is nearer to 0 than 10**-`within` for 10**-`within`.

    >>> value_of("-0.5", 9), value_of("1/3", 9), value_of("1e50", 9), value_of("-1e-50", 1)
    (Fraction(-1, 2), Fraction(1, 3), None, Fraction(-1, 10))
    """
    above, _, below = number.partition("/")
    mantissa, _, exponent = above.removeprefix("-").partition("e")
    whole, _, decimals = mantissa.partition(".")
    digits, power = (whole + decimals).lstrip("0"), int(exponent or 0) - len(decimals)
    below = below or "1"
    magnitude = len(digits) + power - len(below)  # of the value, or one less
    if not digits:
        return Fraction(0)
    if magnitude > within:
        return None
    sign = -1 if number.startswith("-") else 1
    if magnitude < -within:
        return Fraction(sign, 10**within)
    power += max(0, len(digits) - MOST_DIGITS) - max(0, len(below) - MOST_DIGITS)
    exact = Fraction(int(digits[:MOST_DIGITS]), int(below[:MOST_DIGITS])) * Fraction(10) ** power
    return None if exact >= 10**within else sign * max(exact, Fraction(1, 10**within))


def _canonical(found: re.Match[str]) -> str | None:
    sign = "-" if found["sign"] in ("-", "−") else ""
    whole, _, decimals = found["body"].replace(",", "").partition(".")
    digits, exponent = whole + decimals, int(found["exponent"] or 0) - len(decimals)
    if found["below"] is None:
        return _decimal(sign, digits, exponent)
    below = found["below"].lstrip("0")
    if not below:
        return None
    if len(digits) + len(below) + abs(exponent) > LONGEST_EXACT:
        return f"{_decimal(sign, digits, exponent)}/{below}"
    return spell(Fraction(int(sign + digits), int(below)) * Fraction(10) ** exponent)


def _decimal(sign: str, digits: str, exponent: int) -> str:
    """The one spelling of ``sign digits * 10**exponent``."""
    significant = digits.strip("0")
    if not significant:
        return "0"
    exponent += len(digits) - len(digits.rstrip("0"))
    if not -LONGEST_PLAIN <= exponent <= LONGEST_PLAIN:
        return f"{sign}{significant}e{exponent}"
    if exponent >= 0:
        return sign + significant + "0" * exponent
    padded = significant.rjust(1 - exponent, "0")
    return f"{sign}{padded[:exponent]}.{padded[exponent:]}"
