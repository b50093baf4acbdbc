"""From step scores to one score of the whole attempt.

The aggregate belongs to the reward model: ``last`` suits a value-like one, trained on rollouts (Wang et al. 2024,
Math-Shepherd); ``min`` and ``product`` suit one that gives each step the chance of being free of error (Lightman et al.
2023). ``product`` favours short attempts; ``geometric_mean`` is the same evidence free of length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

Aggregate = Literal["last", "min", "product", "mean", "geometric_mean"]


def aggregate(steps: Sequence[float], how: Aggregate) -> float | None:
    """The score of an attempt with these step scores; None where there is no step or one is not a finite number.

    For scores in [0, 1]: product <= min <= geometric_mean <= mean <= max, all equal for one step. All but ``last`` give
    the same bits for any order of the steps.

    >>> aggregate([0.5, 0.25], "product"), aggregate([0.5, 0.25], "mean"), aggregate([], "last")
    (0.125, 0.375, None)
    """
    if not steps or not all(map(math.isfinite, steps)):
        return None
    return _RULES[how](steps)


def _product(steps: Sequence[float]) -> float:
    return math.prod(sorted(steps))


def _mean(steps: Sequence[float]) -> float:
    return _between(steps, math.fsum(steps) / len(steps))


def _geometric_mean(steps: Sequence[float]) -> float | None:
    if min(steps) < 0:
        return None
    if min(steps) == 0:
        return 0.0
    return min(_between(steps, math.exp(math.fsum(map(math.log, steps)) / len(steps))), _mean(steps))


def _between(steps: Sequence[float], value: float) -> float:
    """`value`, which rounding may have moved out of the range of `steps`."""
    return min(max(value, min(steps)), max(steps))


_RULES: dict[Aggregate, Callable[[Sequence[float]], float | None]] = {
    "last": lambda steps: steps[-1],
    "min": min,
    "product": _product,
    "mean": _mean,
    "geometric_mean": _geometric_mean,
}
