"""The methods that are compared, each as the table of a strategy at so many network evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ponder.orchestrator.strategy import Strategy
from ponder.strategies import STRATEGIES

STEPS = 8
SIZES = (32, 64, 128, 256, 512)
COMMON = {"verifier": {"kind": "class_logprob", "engine": "weak"}, "conditional": False, "steps": STEPS}
Knobs = Mapping[str, Any]
Spending = Callable[[int], Knobs]


@dataclass(frozen=True, slots=True)
class Method:
    """A way to spend network evaluations.

    Args:
        name: short, for files.
        title: as it is shown.
        knobs: of its strategy, at so many evaluations; those it leaves out are common to all.
        sizes: evaluations it is run at.
        family: methods of one family make some of the same images, and share a journal; empty for none.
    """

    name: str
    title: str
    knobs: Spending
    sizes: tuple[int, ...] = SIZES
    family: str = ""

    def strategy(self, nfe: int) -> Strategy:
        """The strategy that spends at most so many."""
        return STRATEGIES.build({**COMMON, **self.knobs(nfe)})
