"""Answers that a text announces, between the words that open and that end them."""

from __future__ import annotations

from .enclosed import enclosed


def announced(text: str, opens: str, ends: str) -> str | None:
    r"""The last whole answer of a text with the words around it; one that is not ended yet is none.

    >>> announced(r"\boxed{1}, no: \boxed{\frac{1}{2}}. And \boxed{3", "\\boxed{", "}")
    '\\boxed{\\frac{1}{2}}'
    >>> announced("answer: 57", "answer: ", "\n") is None
    True
    """
    at = text.rfind(opens)
    while at >= 0:
        inside = enclosed(text[at + len(opens) :], ends)
        if inside is not None:
            return f"{opens}{inside}{ends}"
        at = text.rfind(opens, 0, at + len(opens) - 1)
    return None
