"""The scores that a generative reward model writes, read strictly."""

from __future__ import annotations

import re

HEAD = "Scores:"
LINE = re.compile(HEAD + r" \\boxed\{((?:10|[1-9])(?:, ?(?:10|[1-9]))*)\}")


def boxed_scores(reply: str, count: int) -> tuple[int, ...] | None:
    r"""The `count` whole scores from 1 to 10 that the last line of `reply` gives, in order.

    None where that line is not ``Scores: \boxed{7, 3}`` with as many scores, or another line begins as it does.

    >>> boxed_scores("The sum is wrong.\nScores: \\boxed{7, 10}", 2), boxed_scores("Scores: \\boxed{11}", 1)
    ((7, 10), None)
    """
    lines = [line.strip() for line in reply.strip().split("\n")]
    found = LINE.fullmatch(lines[-1])
    if found is None or sum(line.startswith(HEAD) for line in lines) > 1:
        return None
    scores = tuple(int(score) for score in found[1].split(","))
    return scores if len(scores) == count else None
