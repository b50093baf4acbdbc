"""From pools to a point of the report: the accuracy and the cost of one method at one N."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from ..orchestrator.errors import UsageError
from ..orchestrator.intervals import CONFIDENCE, accuracy_interval
from .estimators import Floats, estimates, expected_cost, method_named
from .frontier import Estimate, Point
from .pool import Pool


@dataclass(frozen=True, slots=True)
class Measured:
    """A point and the expected label of each query behind it, by the query's id in the order of the pools."""

    point: Point
    outcomes: Mapping[str, float]


def measure(
    pools: Sequence[Pool],
    method: str,
    n: int,
    *,
    name: str = "",
    composition: Mapping[str, JsonValue] | None = None,
    temperature: float | None = None,
    failed: int = 0,
    unjudged: int = 0,
    unscored: int = 0,
    confidence: float = CONFIDENCE,
) -> Measured:
    """Estimate `method` at `n` on every query whose pool holds `n` draws; the others are counted as censored.

    Args:
        pools: one a query, all drawn at the setting named by `composition`.
        method: a key of `METHODS`.
        n: draws a query.
        name: the point's name; by default the method, n and temperature.
        composition: the composition as data.
        temperature: of the sampler.
        failed: draws that failed (they stand in the pools as wrong).
        unjudged: draws that the checker could not judge (they stand in the pools as wrong).
        unscored: draws that the verifier that chooses could not judge.
        confidence: of the intervals.

    Raises:
        UsageError: no pool holds `n` draws, or two pools are of one query.
    """
    usable = [pool for pool in pools if len(pool) >= n]
    if not usable:
        most = max((len(pool) for pool in pools), default=0)
        raise UsageError(f"n must be at most the draws of a pool, got {n} where the largest holds {most}; draw more")
    if len({pool.query_id for pool in usable}) < len(usable):
        raise UsageError("pools must be of different queries, got two of one; join their draws into one pool")
    values = estimates(usable, method, n)
    point = Point(
        **_estimate(values, confidence).model_dump(),
        name=name or _named(method, n, temperature),
        composition=dict(composition or {}),
        method=method,
        n=n,
        temperature=temperature,
        cost=_mean_cost(usable, method, n),
        by_difficulty=_by_difficulty(usable, values, confidence),
        is_oracle=method_named(method).is_oracle,
        censored=len(pools) - len(usable),
        failed=failed,
        unjudged=unjudged,
        unscored=unscored,
    )
    return Measured(point, {pool.query_id: float(value) for pool, value in zip(usable, values, strict=True)})


def paired(measured: Sequence[Measured]) -> dict[str, Mapping[str, float]]:
    """The outcomes of each point by its name: what `with_ties` needs to compare points query by query."""
    return {one.point.name: one.outcomes for one in measured}


def _named(method: str, n: int, temperature: float | None) -> str:
    label = method_named(method).label.format(n=n)
    return label if temperature is None else f"{label}, T {temperature:g}"


def _estimate(values: Floats, confidence: float) -> Estimate:
    interval = accuracy_interval(values, confidence)
    return Estimate(items=len(values), accuracy=interval.mean, low=interval.low, high=interval.high)


def _by_difficulty(pools: Sequence[Pool], values: Floats, confidence: float) -> dict[str, Estimate]:
    levels = np.array([pool.difficulty for pool in pools])
    ordered = sorted({pool.difficulty for pool in pools}, key=natural_order)
    return {level: _estimate(values[levels == level], confidence) for level in ordered}


def _mean_cost(pools: Sequence[Pool], method: str, n: int) -> dict[str, float]:
    costs = [expected_cost(pool, method, n) for pool in pools]
    return {dimension: float(np.mean([cost[dimension] for cost in costs])) for dimension in costs[0]}


def natural_order(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts the numbers in `text` as numbers.

    >>> sorted(["10 steps", "9 steps", "easy"], key=natural_order)
    ['9 steps', '10 steps', 'easy']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return tuple((0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts)
