"""What several judgements cost that share a call."""

from __future__ import annotations

from ..orchestrator.types import COUNTS, Usage


def shares(total: Usage, count: int) -> list[Usage]:
    """`total` in `count` parts as even as whole units allow; they add up to it, the larger parts first.

    >>> [part.prompt_tokens for part in shares(Usage(prompt_tokens=10), 3)]
    [4, 3, 3]
    """
    whole = [divmod(getattr(total, name), count) for name in COUNTS]
    return [Usage(*(each + (i < rest) for each, rest in whole)) for i in range(count)]
