"""One canonical form for every mathematical value that sympy can read. Runs in a child process only.

Most spellings of one value get one form: rational numbers are exact, other constants are their value to 25 digits,
rational functions are expanded and cancelled, sets are sorted. ``x = 5`` has the form of ``5``: the name of an unknown
is not part of its value.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from ..number import spell

DIGITS = 25
WORKING_DIGITS = 40
LARGEST_DENOMINATOR = 1_000_000


def canonical_form(value: Any) -> str:
    """The form of a sympy value: a number's one spelling, ``~`` and 25 digits for any other constant."""
    if isinstance(value, sympy.MatrixBase):
        return str([[canonical_form(entry) for entry in row] for row in value.tolist()])
    if isinstance(value, sympy.Equality):
        left, right = value.lhs, value.rhs
        if isinstance(left, sympy.Symbol | AppliedUndef) or not value.free_symbols:
            return canonical_form(right)
        if isinstance(right, sympy.Symbol | AppliedUndef):
            return canonical_form(left)
        return f"{min(_expression(left - right), _expression(right - left))} = 0"
    if isinstance(value, sympy.core.relational.Relational):
        return str(value.canonical)
    if isinstance(value, sympy.Expr):
        return _expression(value)
    return _collection(value)


def _collection(value: Any) -> str:
    if isinstance(value, sympy.FiniteSet):
        members = sorted({canonical_form(member) for member in value.args})
        return members[0] if len(members) == 1 else "{" + ", ".join(members) + "}"
    if isinstance(value, sympy.Tuple):
        return "(" + ", ".join(map(canonical_form, value.args)) + ")"
    if isinstance(value, sympy.Interval):
        ends = f"{canonical_form(value.start)}, {canonical_form(value.end)}"
        return f"{'(' if value.left_open else '['}{ends}{')' if value.right_open else ']'}"
    if isinstance(value, sympy.Union | sympy.And | sympy.Or):
        joint = {"Union": " U ", "And": " and ", "Or": " or "}[type(value).__name__]
        return joint.join(sorted(map(canonical_form, value.args)))
    return str(value)


def _expression(value: Any) -> str:
    exact = value.doit().xreplace({each: sympy.Rational(str(each)) for each in value.atoms(sympy.Float)})
    simple = sympy.simplify(exact)
    if not simple.is_number:
        simple = _cancelled(simple)
    if simple.is_Rational:
        return spell(Fraction(simple.p, simple.q))
    if simple.is_number and simple.is_finite:
        return _constant(simple)
    return str(simple)


def _cancelled(value: Any) -> Any:
    try:
        return sympy.cancel(sympy.together(value))
    except sympy.PolynomialError:
        return value


def _constant(value: Any) -> str:
    """A constant by its value: the rational number that it is to 40 digits, else 25 digits of its parts."""
    real, imaginary = (sympy.N(part, WORKING_DIGITS, chop=True) for part in value.as_real_imag())
    if imaginary != 0:
        return f"~{sympy.Float(real, DIGITS)}+{sympy.Float(imaginary, DIGITS)}i"
    near = Fraction(str(real)).limit_denominator(LARGEST_DENOMINATOR)
    if abs(Fraction(str(real)) - near) * 10**DIGITS < abs(near):
        return spell(near)
    return f"~{sympy.Float(real, DIGITS)}"
