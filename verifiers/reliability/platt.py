"""Platt's calibration: the line through log-odds that makes them say how often what they tell comes true."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...orchestrator.errors import UsageError

MOST_STEPS = 100
RIDGE = 1e-12
ENOUGH = 1e-10


def fit_platt(logits: Sequence[float], outcomes: Sequence[float]) -> tuple[float, float]:
    """Slope and offset for which ``sigmoid(slope * logit + offset)`` is the probability of the outcome.

    Maximum likelihood with the smoothed targets of Platt (1999), which keep separable outcomes finite, by Newton's
    method with step halving (Lin, Lin and Weng 2007). Beyond them, an outcome may be any share from 0 to 1: how often
    it came true.

    Args:
        logits: log-odds as a model gives them, e.g. of ``SelfEvaluation`` with slope 1 and offset 0.
        outcomes: 1 where it came true, 0 where it did not, or a share.

    Raises:
        UsageError: there are none, one is not finite, or there is not one outcome a logit.

    >>> slope, offset = fit_platt([-1.0, -1.0, 1.0, 1.0] * 50, [0.0, 0.0, 0.0, 1.0] * 50)
    >>> round(sigmoid(offset - slope), 2), round(sigmoid(offset + slope), 2)
    (0.01, 0.49)
    """
    _check(logits, outcomes)
    targets = _smoothed(outcomes)
    mean = math.fsum(targets) / len(targets)
    line = (0.0, math.log(mean / (1 - mean)))
    loss = _loss(line, logits, targets)
    for _ in range(MOST_STEPS):
        step = _newton_step(line, logits, targets)
        scale = 1.0
        while True:
            moved = (line[0] + scale * step[0], line[1] + scale * step[1])
            reached = _loss(moved, logits, targets)
            if reached <= loss or scale < ENOUGH:
                break
            scale /= 2
        if loss - reached < ENOUGH:
            break
        line, loss = moved, reached
    return line


def sigmoid(logit: float) -> float:
    """The logistic function, without overflow; NaN stays NaN."""
    return 0.5 * (1 + math.tanh(0.5 * logit))


def _check(logits: Sequence[float], outcomes: Sequence[float]) -> None:
    if len(logits) != len(outcomes) or not logits:
        raise UsageError(f"there must be one outcome a logit, and at least one, got {len(logits)} and {len(outcomes)}")
    if not all(map(math.isfinite, logits)) or not all(0 <= outcome <= 1 for outcome in outcomes):
        raise UsageError("logits must be finite and outcomes from 0 to 1; leave out what was not judged")


def _smoothed(outcomes: Sequence[float]) -> list[float]:
    true = math.fsum(outcomes)
    high, low = (true + 1) / (true + 2), 1 / (len(outcomes) - true + 2)
    return [outcome * high + (1 - outcome) * low for outcome in outcomes]


def _loss(line: tuple[float, float], logits: Sequence[float], targets: Sequence[float]) -> float:
    """Minus the log-likelihood, in nats."""
    z = [line[0] * logit + line[1] for logit in logits]
    return math.fsum(max(x, 0) - x * t + math.log1p(math.exp(-abs(x))) for x, t in zip(z, targets, strict=True))


def _newton_step(line: tuple[float, float], logits: Sequence[float], targets: Sequence[float]) -> tuple[float, float]:
    chances = [sigmoid(line[0] * logit + line[1]) for logit in logits]
    errors = [chance - target for chance, target in zip(chances, targets, strict=True)]
    spread = [chance * (1 - chance) for chance in chances]
    slope = math.fsum(error * logit for error, logit in zip(errors, logits, strict=True))
    offset = math.fsum(errors)
    a = math.fsum(w * logit * logit for w, logit in zip(spread, logits, strict=True)) + RIDGE
    b = math.fsum(w * logit for w, logit in zip(spread, logits, strict=True))
    c = math.fsum(spread) + RIDGE
    scale = a * c - b * b
    return (b * offset - c * slope) / scale, (b * slope - a * offset) / scale
