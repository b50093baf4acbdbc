"""The grid: compositions written as one table and the values that some of its knobs take."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..orchestrator.errors import UsageError
from ..orchestrator.pipeline import build_strategy
from ..orchestrator.strategy import Strategy

MOST_COMPOSITIONS = 10_000


class Grid(BaseModel):
    """A strategy's table, and the values of the knobs that vary; every combination is a composition.

    >>> [s.n for s in Grid(strategy={"kind": "sample"}, over={"n": [1, 2]}).compositions()]
    [1, 2]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    strategy: Mapping[str, Any]
    over: Mapping[str, tuple[Any, ...]] = {}

    def compositions(self) -> list[Strategy]:
        """One strategy for each combination, the last knob varying fastest.

        Raises:
            UsageError: a combination that is no sound strategy.
        """
        names, count = list(self.over), math.prod(map(len, self.over.values()))
        if count > MOST_COMPOSITIONS:
            raise UsageError(
                f"a grid must have at most {MOST_COMPOSITIONS} combinations, got {count}; take fewer values"
            )
        return [
            build_strategy({**self.strategy, **dict(zip(names, values, strict=True))})
            for values in itertools.product(*self.over.values())
        ]


def expand(grids: Sequence[Grid]) -> list[Strategy]:
    """The compositions of all grids in order, each once.

    Raises:
        UsageError: none, or too many.
    """
    unique = {strategy.id: strategy for grid in grids for strategy in grid.compositions()}
    if not 1 <= len(unique) <= MOST_COMPOSITIONS:
        raise UsageError(
            f"a sweep must have 1 to {MOST_COMPOSITIONS} compositions, got {len(unique)}; change its grids"
        )
    return list(unique.values())
