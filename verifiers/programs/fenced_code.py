"""Where the program stands in what a model wrote."""

from __future__ import annotations

PYTHON = ("", "python", "python3", "py")


def program_in(text: str) -> str:
    r"""The last fenced block of Python in `text`, or of no named language; without one, the whole text.

    A block is moved left by as much as its first fence is indented, as within a list. A last block that is never closed
    counts only where no other does.

    >>> program_in("First:\n```python\nx = 1\n```\nthen\n```bash\nls\n```\n")
    'x = 1\n'
    >>> program_in("    return 1\n"), program_in("```py\nx = 1")
    ('    return 1\n', 'x = 1')
    >>> program_in("1. Do this:\n   ```python title\n   def f():\n       return 1\n   ```\n")
    'def f():\n    return 1\n'
    """
    closed: list[str] = []
    language: str | None = None
    begun: list[str] = []
    indent = 0
    for line in text.split("\n"):
        mark = line.strip()
        if language is None and mark.startswith("```"):
            language, begun = next(iter(mark[3:].lower().split()), ""), []
            indent = len(line) - len(line.lstrip())
        elif language is not None and mark == "```":
            if language in PYTHON:
                closed.append("".join(f"{each}\n" for each in begun))
            language = None
        else:
            begun.append(line[:indent].lstrip() + line[indent:])
    if closed:
        return closed[-1]
    return "\n".join(begun) if language is not None and language in PYTHON else text
