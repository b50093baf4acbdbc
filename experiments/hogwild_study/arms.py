"""How problems are worked on: workers that see each other, that do not, one alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ponder.orchestrator.data.abacus_workers import opening
from ponder.orchestrator.workspace import Layout
from ponder.strategies import Hogwild

from .tasks import Problem

LIMIT = 150  # passes: tokens that each worker may draw
BLIND = Layout(view=("private",))
LAYOUTS: dict[str, Any] = {"shared cache": "contiguous", "others hidden": BLIND}
"""What a worker sees of the others: every token at once, or nothing."""


def team(problem: Problem, workers: int, layout: str) -> Hogwild:
    """Workers that write side by side, each numbered as the model has learnt it, until all have ended."""
    parts = [problem.part(worker, workers) for worker in range(1, workers + 1)]
    return Hogwild(
        workers=workers,
        layout=LAYOUTS[layout],
        max_tokens=LIMIT,
        instructions="",
        private=tuple(part.private for part in parts),
        names=tuple(opening(worker, workers) for worker in range(1, workers + 1)),
        opening="{name}",
        greetings=("",),
        cue_tokens=0,
        quorum=0,
        answer_opens="#",
        answer_ends="\n",
        finisher="\n",
        finisher_tokens=1,
    )


def announced(text: str, passes: int) -> tuple[str, int] | None:
    """The answer line that a worker had completed after so many passes, a byte each, and the pass that completed it.

    >>> announced("a=89\\n..#89\\n", 99), announced("a=89\\n..#89\\n", 10)
    (('89', 11), None)
    """
    begin = text.find("#")
    end = text.find("\n", begin)
    if begin < 0 or end < 0 or end >= passes:
        return None
    return text[begin + 1 : end], end + 1


def first_announced(texts: Sequence[str], passes: int) -> str | None:
    """The answer that was complete first; of equals, that of the first worker."""
    found = [(each[1], at, each[0]) for at, text in enumerate(texts) if (each := announced(text, passes))]
    return min(found)[2] if found else None


def voted(texts: Sequence[str], passes: int) -> str | None:
    """The answer that most independent texts had completed; of equals, the first text's."""
    answers = [each[0] for text in texts if (each := announced(text, passes))]
    return max(answers, key=lambda answer: (answers.count(answer), -answers.index(answer))) if answers else None
