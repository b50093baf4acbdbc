"""Labels as they come in: what is no truth, no score and no threshold is refused, instead of counted as something."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np

from ...orchestrator.errors import UsageError


def truth_of(value: object) -> bool:
    """Whether a draw is right.

    Raises:
        UsageError: it is neither True nor False, nor 1 nor 0.

    >>> truth_of(True), truth_of(0.0)
    (True, False)
    """
    if isinstance(value, Real | np.bool_) and value in (0, 1):
        return bool(value)
    raise UsageError(
        f"the truth of a draw must be True or False, got {value!r}; leave out those whose truth is unknown"
    )


def score_of(value: object) -> float | None:
    """The number that a score is; None where it is None or not finite, which tells nothing.

    Raises:
        UsageError: it is no number.

    >>> score_of(True), score_of(math.nan), score_of(None)
    (1.0, None, None)
    """
    number = None if value is None else number_of("a score", value)
    return number if number is not None and math.isfinite(number) else None


def number_of(what: str, value: object) -> float:
    """The number that a value is.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(value, Real | np.bool_):
        raise UsageError(f"{what} must be a number, got {value!r}; convert it, and leave out what is not known")
    return float(value)


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that is no finite number.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(threshold, Real) or not math.isfinite(threshold):
        raise UsageError(f"threshold must be a finite number, got {threshold!r}; give the least score that accepts")
