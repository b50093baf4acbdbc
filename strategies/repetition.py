"""Text that is stuck: its end is one short piece, written again and again."""

from __future__ import annotations

LONGEST = 200
"""Most characters of a piece."""
TIMES = 4
"""How often a piece must stand in a row."""
LEAST = 200
"""Characters that the pieces must fill together, so that a rule or a row of a table is no repetition."""


def is_stuck(text: str) -> bool:
    r"""Whether a text ends in a piece of at most 200 characters, 4 times or more in a row, over 200 characters or more.

    >>> is_stuck("Let me check that once more.\n\n" * 7), is_stuck("Let me check that once more.\n\n" * 6)
    (True, False)
    >>> is_stuck("well, " + "ha" * 100), is_stuck("-" * 80), is_stuck("a" * 300 + ".")
    (True, False, False)
    """
    return any(_repeats(text[-max(LEAST, TIMES * size) :], size) for size in range(1, LONGEST + 1))


def _repeats(tail: str, size: int) -> bool:
    return len(tail) >= max(LEAST, TIMES * size) and tail[size:] == tail[:-size]
