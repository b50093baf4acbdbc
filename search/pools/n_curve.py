"""The N-curve: what one pool of draws gives at every N, by every way to make one answer of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ...orchestrator.errors import UsageError
from ...orchestrator.intervals import CONFIDENCE, accuracy_interval
from ..reports.frontier import Estimate
from ..reports.report_curve import Curve, CurveKind, CurveRow
from .estimators import Floats, labels, labels_by_score, order_weights
from .majority import MOST_DRAWS, majority
from .pool import Pool, check_n
from .votes import vote


def n_curve(
    pools: Sequence[Pool], sizes: Sequence[int] = (), *, name: str = "", confidence: float = CONFIDENCE
) -> Curve:
    """The accuracy of every way at every N over the same queries, estimated without bias from the draws that are there.

    Pools of 64 draws tell N = 1 to 64 for 64 calls a query, where fresh runs of each N would take 2,080. A way is left
    out where the pools do not hold what it needs: answers that can be compared, or scores.

    Args:
        pools: one a query, all drawn in the same way.
        sizes: each N, 1 to the draws of the smallest pool; all of these where none is given.
        name: what is drawn, in words.
        confidence: of the intervals.

    Raises:
        UsageError: there are no pools, or one holds fewer than N draws.
    """
    if not pools:
        raise UsageError("a curve must come from pools of draws, got none; draw some")
    smallest = min(map(len, pools))
    sizes = sizes or range(1, smallest + 1)
    for n in sizes:
        check_n(smallest, n)
    found = [ways(pool, sizes) for pool in pools]
    draws = [draw for pool in pools for draw in pool.draws]
    held: list[CurveKind] = ["average", "best", "worst"]
    if any(draw.answer is not None for draw in draws):
        held.append("majority")
    if any(draw.score is not None for draw in draws):
        held.append("best_by_score")
    rows = [
        CurveRow(n=n, kind=kind, estimate=_estimate([one[kind][i] for one in found], confidence))
        for i, n in enumerate(sizes)
        for kind in held
    ]
    return Curve(pool=name, rows=tuple(rows))


def ways(pool: Pool, sizes: Sequence[int]) -> dict[CurveKind, Floats]:
    """The expected label of each way at each N, on one query.

    Raises:
        UsageError: an N is not between 1 and the size of the pool.
    """
    right = np.sort(labels(pool))
    weights = _weights(len(pool), tuple(sizes))
    return {
        "average": np.full(len(sizes), right.mean()),
        "best": weights @ right,
        "worst": weights @ right[::-1],
        "majority": _majority(pool, sizes),
        "best_by_score": weights @ labels_by_score(pool),
    }


def _majority(pool: Pool, sizes: Sequence[int]) -> Floats:
    if len(pool) <= MOST_DRAWS:
        exact: Floats = majority(pool)[np.array(sizes) - 1]
        return exact
    return np.array([vote(pool, n) for n in sizes])


@lru_cache(maxsize=16)
def _weights(m: int, sizes: tuple[int, ...]) -> Floats:
    """The chance of each of `m` draws in ascending order to be the largest of n of them: one row an n."""
    return np.stack([order_weights(m, n) for n in sizes])


def _estimate(values: Sequence[float], confidence: float) -> Estimate:
    interval = accuracy_interval(np.clip(values, 0.0, 1.0), confidence)  # weights sum to 1 only up to rounding
    return Estimate(items=len(values), accuracy=interval.mean, low=interval.low, high=interval.high)
