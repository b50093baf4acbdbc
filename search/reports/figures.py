"""Figures and foreign text as people read them: shares as percentages, amounts in full or short, nothing hostile."""

from __future__ import annotations

import unicodedata

from ...orchestrator.budget import COUNTED, NANO, Budget, amounts, unit_of
from ...orchestrator.types import Usage
from .frontier import Estimate

LONGEST_TEXT = 2000
UNITS = {
    "total_tokens": "tokens",
    "prompt_tokens": "prompt tokens",
    "cached_tokens": "cached tokens",
    "completion_tokens": "generated tokens",
    "calls": "calls",
    "verifier_calls": "verifier calls",
    "nfe": "network evaluations",
    "flops": "FLOPs",
    "cost_usd": "US dollars",
    "seconds": "seconds",
}
_SUFFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_GAPS = "\t\n\r\v\f\u2028\u2029"


def printable(text: str, longest: int = LONGEST_TEXT) -> str:
    """`text` without what steers a terminal or turns a line around: control, format and lone surrogate characters.

    Breaks of line become spaces; text longer than `longest` is cut and ends in an ellipsis.

    >>> printable("a\\x1b[31mb\\n")
    'a[31mb '
    """
    spaced = "".join(" " if character in _GAPS else character for character in text[: longest + 1])
    shown = "".join(c for c in spaced if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return shown if len(text) <= longest else shown[: longest - 1] + "…"


def percent(share: float) -> str:
    """A share in percent, one digit after the point.

    >>> percent(0.7249)
    '72.5'
    """
    return f"{100 * share:.1f}"


def points_more(share: float) -> str:
    """A difference of shares in percentage points, always with its sign.

    >>> points_more(0.031), points_more(-0.0449), points_more(-0.0001)
    ('+3.1', '−4.5', '0.0')
    """
    text = f"{100 * share:+.1f}".replace("-", "−")
    return text[1:] if text[1:] == "0.0" else text


def span(estimate: Estimate) -> str:
    """The interval in percent."""
    return f"{percent(estimate.low)}–{percent(estimate.high)}"


def short(amount: float) -> str:
    """An amount in at most three or four digits and the letter of its thousands.

    >>> [short(value) for value in (0, 0.25, 12, 1234, 56_000, 3.2e12)]
    ['0', '0.25', '12', '1.23k', '56k', '3.2T']
    """
    power = 0
    while power < len(_SUFFIXES) - 1 and abs(amount) >= 999.5:
        amount, power = amount / 1000, power + 1
    return f"{amount:.3g}{_SUFFIXES[power]}"


def full(amount: float, dimension: str = "") -> str:
    """An amount for a table: money in cents and below, time to three digits, FLOPs short, all else whole where large.

    >>> full(12345.6), full(2.5, "calls"), full(0.00123, "cost_usd"), full(3.2e12, "flops")
    ('12,346', '2.5', '0.00123', '3.2T')
    >>> full(0.0004, "compute_seconds"), full(1234.5, "compute_seconds")
    ('0.0004', '1,234')
    """
    if dimension == "flops":
        return short(amount)
    if dimension == "cost_usd":
        return f"{amount:,.2f}" if amount >= 1 else f"{amount:.3g}"
    if dimension in NANO and amount < 100:
        return f"{amount:.3g}"
    return f"{amount:,.0f}" if amount >= 100 or amount == int(amount) else f"{amount:.1f}"


def unit(dimension: str) -> str:
    """The dimension in words."""
    return UNITS.get(dimension, dimension.replace("_", " "))


def counted(amount: float, dimension: str) -> str:
    """An amount with its dimension in words.

    >>> counted(1, "calls"), counted(12345.6, "total_tokens")
    ('1 call', '12,346 tokens')
    """
    text, words = full(amount, dimension), unit(dimension)
    return f"{text} {words.removesuffix('s') if text == '1' else words}"


def spending(spent: Usage, budget: Budget) -> str:
    """What is spent of each thing that the budget limits, in words; tokens where it limits only time.

    >>> spending(Usage(calls=20), Budget(calls=2000))
    '20 of 2,000 calls'
    >>> spending(Usage(nfe=64, compute_ns=250_000_000), Budget(nfe=640, compute_seconds=2))
    '64 of 640 network evaluations, 0.25 of 2 compute seconds'
    """
    counts = dict(zip(COUNTED, amounts(spent), strict=True))
    limits = {name: limit for name in COUNTED if (limit := getattr(budget, name)) is not None}
    words = [_of(counts[name], limit, name) for name, limit in limits.items()]
    return ", ".join(words) or f"{spent.total_tokens:,} tokens"


def _of(spent: int, limit: float, dimension: str) -> str:
    if dimension == "cost_usd":
        return f"${spent / 1e9:.4f} of ${limit:g}"
    return f"{full(spent / unit_of(dimension), dimension)} of {full(limit, dimension)} {unit(dimension)}"
