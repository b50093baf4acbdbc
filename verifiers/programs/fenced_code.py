"""Where the program stands in what a model wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator

PYTHON = ("", "python", "python3", "py")
FENCE = re.compile("(`{3,}|~{3,})([^`]*)")


def program_in(text: str, name: str | None = None) -> str:
    r"""The last fenced block of Python in `text`, or of no named language; without one, the whole text.

    Where some blocks define `name`, the last of them. A fence is three backticks or tildes, or more, and the next one
    of its kind that is as long ends it. A block is moved left by as much as its first fence is indented, as within a
    list. A last block that is never closed counts only where no other does.

    >>> program_in("First:\n```python\nx = 1\n```\nthen\n```bash\nls\n```\n")
    'x = 1\n'
    >>> program_in("    return 1\n"), program_in("~~~py\nx = 1")
    ('    return 1\n', 'x = 1')
    >>> program_in("1. Do this:\n   ```python title\n   def f():\n       return 1\n   ```\nUse:\n```\nf()\n```\n", "f")
    'def f():\n    return 1\n'
    """
    blocks = list(_blocks(text))
    closed = [block for block, is_closed in blocks if is_closed] or [block for block, _ in blocks]
    defining = [block for block in closed if name and _defines(block, name)]
    return [text, *closed, *defining][-1]


def _blocks(text: str) -> Iterator[tuple[str, bool]]:
    """The blocks of Python, and whether each is closed."""
    fence, language, indent = "", "", 0
    begun: list[str] = []
    for line in text.split("\n"):
        mark = line.strip()
        if not fence:
            if found := FENCE.fullmatch(mark):
                fence, language = found[1], next(iter(found[2].lower().split()), "")
                begun, indent = [], len(line) - len(line.lstrip())
        elif mark.startswith(fence) and not mark.strip(fence[0]):
            if language in PYTHON:
                yield "".join(f"{each}\n" for each in begun), True
            fence = ""
        else:
            begun.append(line[:indent].lstrip() + line[indent:])
    if fence and language in PYTHON:
        yield "\n".join(begun), False


def _defines(block: str, name: str) -> bool:
    """Whether a line of it does so: nothing that a model wrote is parsed out here."""
    name = re.escape(name)
    return bool(
        re.search(rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b|^{name}[ \t]*(?::[^=\n]*)?=(?!=)", block, re.M)
    )
