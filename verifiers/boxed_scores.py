"""The scores that a generative reward model writes, read strictly."""

from __future__ import annotations

import re

from .verdicts import signed

HEAD = "Scores:"
LINE = re.compile(HEAD + r" \\boxed\{((?:10|[1-9])(?:, ?(?:10|[1-9]))*)\}")


def boxed_scores(reply: str, count: int, code: str) -> tuple[int, ...] | None:
    r"""The `count` whole scores from 1 to 10 that the last line of `reply` gives behind `code`, in order.

    None where that line is not ``Scores: \boxed{7, 3}`` with as many scores, or another line begins as it does.

    >>> boxed_scores("The sum is wrong.\n1a2b3c4d Scores: \\boxed{7, 10}", 2, "1a2b3c4d")
    (7, 10)
    >>> boxed_scores("Scores: \\boxed{7, 10}", 2, "1a2b3c4d"), boxed_scores("Scores: \\boxed{11}", 1, "")
    (None, None)
    """
    found = LINE.fullmatch(signed(reply, code))
    heads = [line for line in reply.split("\n") if signed(line, code).startswith(HEAD)]
    scores = tuple(int(score) for score in found[1].split(",")) if found else ()
    return scores if len(scores) == count and len(heads) == 1 else None
