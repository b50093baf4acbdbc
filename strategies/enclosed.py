"""What stands before the mark that ends it, brackets matched."""

from __future__ import annotations

OPENING = {"}": "{", "]": "[", ")": "("}


def enclosed(text: str, ends: str) -> str | None:
    r"""`text` up to `ends`; of closing brackets, up to the first that closes none of the text's own. None without it.

    >>> enclosed(r"\frac{1}{2}} so", "}"), enclosed("12\n", "\n"), enclosed("{1}", "}")
    ('\\frac{1}{2}', '12', None)
    """
    opens = OPENING.get(ends)
    if opens is None:
        head, found, _ = text.partition(ends)
        return head if found else None
    depth = 0
    for i, character in enumerate(text):
        depth += (character == opens) - (character == ends)
        if depth < 0:
            return text[:i]
    return None
