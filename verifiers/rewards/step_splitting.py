"""Where the steps of a text begin and end."""

from __future__ import annotations


def split_steps(text: str, separator: str = "\n") -> list[str]:
    r"""The steps of a text: what is not blank between separators, one separator at the end apart.

    >>> split_steps("a\nb\n"), split_steps("a\n\nb"), split_steps(" ")
    (['a', 'b'], ['a', 'b'], [])
    """
    return [step for step in text.removesuffix(separator).split(separator) if step.strip()]


def without(text: str, mark: str) -> str:
    """`text` without `mark`, also where taking one out makes another.

    >>> without("<ex<extra_0>tra_0>a", "<extra_0>")
    'a'
    """
    if mark not in text:
        return text
    kept: list[str] = []
    for character in text:
        kept.append(character)
        if character == mark[-1] and "".join(kept[-len(mark) :]) == mark:
            del kept[-len(mark) :]
    return "".join(kept)
