"""The order of texts with numbers in them."""

from __future__ import annotations

import re


def natural_order(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts the numbers in `text` as numbers.

    >>> sorted(["10 steps", "9 steps", "easy"], key=natural_order)
    ['9 steps', '10 steps', 'easy']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return tuple((0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts)
