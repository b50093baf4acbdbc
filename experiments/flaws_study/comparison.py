"""Comparison: what a pilot set predicts of erring verification, against what is measured on held-out tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ponder.orchestrator.intervals import Interval
from ponder.verifiers.reliability import Curve, Reliability, predicted

from .setting import Setting

TRIES = (1, 2, 4, 8, 16, 32, 64)
WRONG_COSTS = (0.0, 0.5, 1.0, 2.0, 4.0)
By = Literal["pools", "law"]
PILOT_ATTEMPTS: dict[By, int] = {"pools": 64, "law": 16}
NEARLY = 0.005
"""Values that differ by no more than this are equally good."""
FIGURES = 2 + len(WRONG_COSTS)
CONFIDENCE = 1 - 0.05 / FIGURES
"""Of each figure of a setting (accuracies, ceiling, best number of attempts at each cost), so that all hold at 95 %."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One setting: what is predicted, and what came.

    Args:
        setting: which.
        by: what predicts: the pools of the pilot tasks, or the law from fewer attempts at them.
        pilot: the pilot tasks.
        curves: what is predicted for each cost of a wrong answer; intervals hold at all numbers of attempts at once.
        right: of the held-out tasks, for each number of attempts, the share that is answered rightly.
        wrong: the share that is answered wrongly.
        ceiling: the chance that an accepted attempt is right: predicted, and of the held-out tasks.
    """

    setting: Setting
    by: By
    pilot: Reliability
    curves: dict[float, Curve]
    right: tuple[float, ...]
    wrong: tuple[float, ...]
    ceiling: tuple[Interval, float]

    def values(self, cost: float) -> list[float]:
        """Measured, for each number of attempts."""
        return [right - cost * wrong for right, wrong in zip(self.right, self.wrong, strict=True)]

    @property
    def is_accuracy_held(self) -> bool:
        """Whether all measured accuracies are within their intervals."""
        return _within(self.right, self.curves[0.0].accuracy)

    @property
    def is_ceiling_held(self) -> bool:
        return _within([self.ceiling[1]], [self.ceiling[0]])

    def is_best_held(self, cost: float) -> bool:
        """Whether a best number of attempts is within the interval for it."""
        best = self.curves[cost].best
        return any(best.low <= number <= best.high for number in self.best(cost))

    @property
    def is_held(self) -> bool:
        """Whether accuracy, ceiling and the best numbers of attempts at every cost are as predicted."""
        return self.is_accuracy_held and self.is_ceiling_held and all(map(self.is_best_held, WRONG_COSTS))

    def best(self, cost: float) -> list[int]:
        """The numbers of attempts of most value on the held-out tasks, 0 for none."""
        values = [0.0, *self.values(cost)]
        return [number for number, value in zip((0, *TRIES), values, strict=True) if value >= max(values) - NEARLY]

    def regret(self, cost: float) -> float:
        """The value lost on the held-out tasks by making as many attempts as predicted best."""
        values = [0.0, *self.values(cost)]
        return max(values) - values[(0, *TRIES).index(int(self.curves[cost].best.mean))]


def compared(setting: Setting, by: By) -> Comparison:
    """The comparison for one setting."""
    pilot, held_out = setting.pilot(PILOT_ATTEMPTS[by]), setting.held_out()
    tasks = len(held_out.pools)
    how: dict[str, Any] = {"by": by, "tasks": tasks, "together": True, "confidence": CONFIDENCE}
    curves = {cost: predicted(pilot, TRIES, wrong_cost=cost, **how) for cost in WRONG_COSTS}
    right = np.array([[pool.right(k) for k in TRIES] for pool in held_out.pools]).mean(axis=0)
    wrong = np.array([[pool.wrong(k) for k in TRIES] for pool in held_out.pools]).mean(axis=0)
    return Comparison(
        setting,
        by,
        pilot,
        curves,
        tuple(right.tolist()),
        tuple(wrong.tolist()),
        (curves[0.0].ceiling, held_out.ceiling.mean),
    )


def _within(measured: Sequence[float], intervals: Sequence[Interval]) -> bool:
    slack = 1e-9
    return all(each.low - slack <= value <= each.high + slack for value, each in zip(measured, intervals, strict=True))
