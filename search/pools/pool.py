"""The pool: every draw a sweep paid for on one query, from which all N of all methods are estimated."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...orchestrator.errors import UsageError
from ...orchestrator.types import Usage


@dataclass(frozen=True, slots=True)
class Draw:
    """One judged draw.

    Args:
        answer: the canonical answer, None where none could be read (an abstainer).
        correct: the label, 0 to 1.
        score: what the verifier said, None for "cannot tell"; a value that is not finite becomes None.
        generation: what drawing it cost, its prompt included.
        judgement: what scoring it cost.
        is_lost: whether it failed; such a draw is kept, with answer None and label 0, and costs what was charged.
        is_unjudged: whether the checker could not tell; its label is 0.
        thumbnail: what it shows, as the base64 of a small PNG file; empty of a text.
    """

    answer: str | None
    correct: float
    score: float | None = None
    generation: Usage = Usage()
    judgement: Usage = Usage()
    is_lost: bool = False
    is_unjudged: bool = False
    thumbnail: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= 1:
            raise UsageError(f"a draw's label must be between 0 and 1, got {self.correct!r}; scale it to that range")
        if self.score is not None and not math.isfinite(self.score):
            object.__setattr__(self, "score", None)


@dataclass(frozen=True, slots=True)
class Pool:
    """The draws of one query at one setting of the sampler: exchangeable, in no particular order."""

    query_id: str
    difficulty: str
    draws: tuple[Draw, ...]

    def __post_init__(self) -> None:
        if not self.draws:
            raise UsageError(f"the pool of query {self.query_id!r} must hold a draw, got none; leave the query out")

    def __len__(self) -> int:
        return len(self.draws)


def check_n(m: int, n: int) -> None:
    """Refuse to estimate a run of `n` draws from a pool of `m`: more than there are is an error, never clamped."""
    if not 1 <= n <= m:
        raise UsageError(f"n must be between 1 and the pool's {m} draws, got {n}; draw more or ask for a smaller n")
