"""One method against another on the same prompts, by the machine that no search has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ponder.orchestrator.intervals import Comparison, compare

from .cells import Made
from .lineup import SIZES
from .measured import right, together

Where = tuple[str, int]  # a method's name, and the evaluations it may spend

BEST, BASELINE = "svdd", "random"
SATURATED = ("steps", 512), ("steps", 32)
SCALED = ("random", 512), ("random", 32)
HEADLINE = (BEST, 64), (BASELINE, 512)
PAIRS = (
    SATURATED,
    SCALED,
    HEADLINE,
    *((("rollover", nfe), ("svdd", nfe)) for nfe in SIZES),
    *((("rollover", nfe), ("rollover_published", nfe)) for nfe in SIZES),
    *((("zero_order", nfe), ("random", nfe)) for nfe in SIZES),
    *((("paths", nfe), ("zero_order", nfe)) for nfe in SIZES),
    *((("svdd", nfe), ("feynman_kac", nfe)) for nfe in SIZES),
)


@dataclass(frozen=True, slots=True)
class Duel:
    """The share of right digits of one method less that of another.

    Args:
        one: method and evaluations.
        other: likewise.
        less: the difference, with its interval.
    """

    one: Where
    other: Where
    less: Comparison

    @property
    def is_won(self) -> bool:
        """Whether the first is surely better."""
        return not self.less.is_tied and self.less.interval.mean > 0

    @property
    def is_lost(self) -> bool:
        """Whether the first is surely worse."""
        return not self.less.is_tied and self.less.interval.mean < 0


def duels(made: Mapping[Where, Sequence[Made]], pairs: Sequence[tuple[Where, Where]] = PAIRS) -> list[Duel]:
    """Every pair of which both were run, on the seeds of both."""
    found = []
    for one, other in pairs:
        seeds = min(len(made.get(one, ())), len(made.get(other, ())))
        if seeds:
            found.append(Duel(one, other, compare(_right(made[one][:seeds]), _right(made[other][:seeds]))))
    return found


def _right(parts: Sequence[Made]) -> list[float]:
    return list(right(*together(parts)))
