"""Where the program stands in what a model wrote."""

from __future__ import annotations

PYTHON = ("", "python", "python3", "py")


def program_in(text: str) -> str:
    r"""The last fenced block of Python in `text`, or of no named language; without one, the whole text.

    A last block that is never closed counts only where no other does.

    >>> program_in("First:\n```python\nx = 1\n```\nthen\n```bash\nls\n```\n")
    'x = 1\n'
    >>> program_in("    return 1\n"), program_in("```py\nx = 1")
    ('    return 1\n', 'x = 1')
    """
    closed: list[str] = []
    language: str | None = None
    begun: list[str] = []
    for line in text.split("\n"):
        mark = line.strip()
        if language is None and mark.startswith("```"):
            language, begun = mark[3:].strip().lower(), []
        elif language is not None and mark == "```":
            if language in PYTHON:
                closed.append("".join(f"{each}\n" for each in begun))
            language = None
        else:
            begun.append(line)
    if closed:
        return closed[-1]
    return "\n".join(begun) if language is not None and language in PYTHON else text
