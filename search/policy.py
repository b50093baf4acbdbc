"""Policies: which composition answers a query is decided by how hard the query is predicted to be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..orchestrator.errors import UsageError
from ..orchestrator.intervals import CONFIDENCE, Interval, accuracy_interval, compare
from ..strategies import RouteByDifficulty, Sample
from ..strategies.nesting import AnyStrategy
from ..verifiers import AnyVerifier
from .problem import Floats, Indices

FEWEST, MOST = 3, 5  # bins that are tried unless told otherwise
BIN_ITEMS = 30  # wanted in a bin: 15 a fold
LEAST_ITEMS = 10  # in a bin, or it is not made
WIDENING = math.sqrt(1 + 2 / math.pi)  # two halves that choose for each other: their gains correlate by up to 2 / pi
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Policy:
    """A composition for each bin of predicted difficulty.

    Args:
        thresholds: rising difficulties that part the bins; what lies on one goes to the harder side.
        compositions: the number of the composition of each bin, from the easiest; neighbours differ.
        single: the number of the best single composition at the same level.
        accuracy: of a policy chosen this way, by two-fold cross-validation.
        gain: that accuracy less that of a single composition chosen on the same folds, item by item; its interval is
            wide enough for halves that choose for each other.
        cost: mean cost of a query, the estimator of difficulty included, by the same cross-validation.
    """

    thresholds: tuple[float, ...]
    compositions: tuple[int, ...]
    single: int
    accuracy: Interval
    gain: Interval
    cost: float

    def strategy(
        self,
        compositions: Sequence[AnyStrategy],
        *,
        verifier: AnyVerifier | None = None,
        probe: Sample | None = None,
        metadata: str | None = None,
    ) -> RouteByDifficulty:
        """The policy as a strategy that runs.

        Args:
            compositions: all, by their number.
            verifier: judged the probes that predicted the difficulty, as one minus the mean of their scores.
            probe: how those were drawn; as `RouteByDifficulty` does unless given.
            metadata: the key of a query's metadata that holds a difficulty predicted in another way, as one minus the
                vote share of some probes; give either this or `verifier`.
        """
        routes = tuple(compositions[number] for number in self.compositions)
        how = {} if probe is None else {"probe": probe}
        return RouteByDifficulty(routes=routes, thresholds=self.thresholds, verifier=verifier, metadata=metadata, **how)


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """What the items say about routing by difficulty.

    Args:
        policy: the policy, None where no gain is certain.
        reason: why it is kept or refused, in words.
        gain: what it would gain by cross-validation, where that could be told.
    """

    policy: Policy | None
    reason: str
    gain: Interval | None = None


def choose_policy(
    outcomes: ArrayLike,
    costs: ArrayLike,
    difficulty: ArrayLike,
    probe_costs: ArrayLike,
    *,
    level: float,
    bins: int | None = None,
    confidence: float = CONFIDENCE,
) -> PolicyFinding:
    """The policy that is best at a level, where it is certainly better than the best single composition there.

    Inside each bin half of the items choose and the other half tells what was chosen, then the other way round. All
    bins together may cost the level on average, so that what easy queries save is spent on hard ones; the estimator's
    cost is charged to every item. The policy is kept only if the paired interval of its gain excludes 0.

    Source: Snell et al. 2024, arXiv 2408.03314, section 3.2.
    Departs: the estimator of difficulty is paid for, where the paper leaves its cost out; the level holds for the mean
        over all queries instead of in each bin; bins hold at least ten items.

    Args:
        outcomes: one row a composition, one column an item, 0 to 1, without gaps.
        costs: of a fresh run, of the same shape, in the dimension of the level.
        difficulty: predicted for each item, by as many probes as a query will get, drawn apart from the draws behind
            the outcomes: probes that the compositions answered with know more than a query's will. NaN where it
            cannot be told, which counts as the hardest.
        probe_costs: what predicting it cost on each item, or one number for all.
        level: what a query may cost on average.
        bins: quantiles of difficulty; 3 to 5, about 30 items each, unless given.
        confidence: of the intervals.

    Raises:
        UsageError: shapes that do not agree, gaps, outcomes outside 0 to 1, or fewer than 2 bins.
    """
    if bins is not None and bins < 2:
        raise UsageError(f"a policy needs at least 2 bins, got {bins}; leave it out for {FEWEST} to {MOST}")
    table = _Table.of(outcomes, costs, difficulty, probe_costs, level)
    edges = bin_edges(table.difficulty, _bins(len(table.difficulty)) if bins is None else bins)
    if not edges:
        told = f"{len(table.difficulty)} items cannot be parted by difficulty into bins of at least {LEAST_ITEMS}"
        return PolicyFinding(None, f"{told}: use more items, or more probes where many items look alike")
    placed = np.searchsorted(edges, table.difficulty, side="right")
    tested, routes, single = _cross_validated(table, placed), table.best(placed), table.best()
    if tested is None or routes is None or single is None:
        return PolicyFinding(None, f"nothing costs at most {level:g} a query once the estimator of difficulty is paid")
    ours, theirs, cost = tested
    found = compare(ours, theirs, confidence)
    gain, (thresholds, kept) = _widened(found.interval), _merged(edges, routes)
    told = f"routing by difficulty gains {_in_points(gain)} over one composition for all"
    if found.is_tied or gain.low <= 0:
        return PolicyFinding(None, f"no gain is certain: {told}", gain)
    if not thresholds:
        return PolicyFinding(None, "on all items together one composition wins in every bin", gain)
    accuracy = accuracy_interval(ours, confidence)
    return PolicyFinding(Policy(thresholds, kept, single[0], accuracy, gain, cost), told, gain)


def bin_edges(difficulty: ArrayLike, bins: int) -> tuple[float, ...]:
    """Thresholds that part items into `bins` by quantiles of their difficulty, midway between two of them.

    Items that are equally hard stay together, and a threshold that would leave fewer than ten items on either side of
    it is left out.

    >>> bin_edges([float(i) for i in range(40)], 2)
    (19.5,)
    """
    rising = np.sort(_known_or_hardest(difficulty))
    edges, start = [], 0
    for j in range(1, bins):
        at = int(np.searchsorted(rising, rising[len(rising) * j // bins]))
        if at - start < LEAST_ITEMS or len(rising) - at < LEAST_ITEMS or not np.isfinite(rising[at]):
            continue
        edges.append(float((rising[at - 1] + rising[at]) / 2))
        start = at
    return tuple(edges)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Outcomes and costs of some items, and what a query may cost."""

    outcomes: Floats
    costs: Floats
    difficulty: Floats
    probe_costs: Floats
    level: float

    @classmethod
    def of(
        cls, outcomes: ArrayLike, costs: ArrayLike, difficulty: ArrayLike, probe_costs: ArrayLike, level: float
    ) -> _Table:
        values, paid = np.asarray(outcomes, dtype=np.float64), np.asarray(costs, dtype=np.float64)
        hard = _known_or_hardest(difficulty)
        if values.ndim != 2 or not values.size or paid.shape != values.shape or hard.shape != values.shape[1:]:
            got = f"{values.shape}, {paid.shape} and {hard.shape}"
            rule = "outcomes and costs must be compositions by items, difficulty one an item"
            raise UsageError(f"{rule}, got {got}; give one column an item to each")
        if not ((values >= 0) & (values <= 1)).all() or not np.isfinite(paid).all():
            rule = "outcomes must be between 0 and 1 and costs finite, without gaps"
            raise UsageError(f"{rule}; leave out compositions that were not measured on all of the items")
        probing = np.broadcast_to(np.asarray(probe_costs, dtype=np.float64), hard.shape)
        return cls(values, paid, hard, probing, level)

    def only(self, items: NDArray[np.bool_]) -> _Table:
        """The table of some items."""
        return _Table(
            self.outcomes[:, items], self.costs[:, items], self.difficulty[items], self.probe_costs[items], self.level
        )

    def best(self, placed: Indices | None = None) -> tuple[int, ...] | None:
        """The best composition for each bin within the level with probes paid, or the best for all where unplaced.

        None where nothing is cheap enough.
        """
        count = len(self.difficulty)
        allowance = self.level * count - (0.0 if placed is None else float(self.probe_costs.sum()))
        member = (
            np.ones((1, count)) if placed is None else (placed == np.arange(placed.max() + 1)[:, None]).astype(float)
        )
        return assign(self.outcomes @ member.T, self.costs @ member.T, allowance)


def assign(values: Floats, costs: Floats, allowance: float) -> tuple[int, ...] | None:
    """The row for each column that gives the greatest sum of values with a sum of costs of at most `allowance`.

    Exact: the frontiers of the columns are merged one by one. Of equal sums the cheapest is taken.

    >>> assign(np.array([[5.0, 1.0], [6.0, 4.0]]), np.array([[1.0, 1.0], [3.0, 3.0]]), 4.0)
    (0, 1)
    """
    paid, won, picks = np.zeros(1), np.zeros(1), np.zeros((1, 0), dtype=np.intp)
    for column in range(values.shape[1]):
        own = _frontier(costs[:, column], values[:, column])
        sums = (paid[:, None] + costs[own, column]).ravel()
        gains = (won[:, None] + values[own, column]).ravel()
        kept = _frontier(sums, gains)
        paid, won = sums[kept], gains[kept]
        picks = np.column_stack((picks[kept // len(own)], own[kept % len(own)]))
    affordable = np.flatnonzero(paid <= allowance + ROUNDING * abs(allowance))
    return tuple(picks[affordable[-1]].tolist()) if len(affordable) else None


def _frontier(costs: Floats, values: Floats) -> Indices:
    """The numbers of what nothing as cheap equals in value, cheapest first."""
    order: Indices = np.lexsort((-values, costs))
    ahead = np.maximum.accumulate(np.concatenate(([-np.inf], values[order][:-1])))
    kept: Indices = order[values[order] > ahead + ROUNDING]
    return kept


def _cross_validated(table: _Table, placed: Indices) -> tuple[Floats, Floats, float] | None:
    """What a policy and what a single composition give on each item, chosen without it, and the policy's mean cost."""
    ours, theirs, cost = (np.zeros(len(placed)) for _ in range(3))
    turns = np.empty(len(placed), dtype=np.intp)
    turns[np.lexsort((table.difficulty, placed))] = np.arange(len(placed))
    for fold in (0, 1):
        held = turns % 2 == fold
        routes, single = table.only(~held).best(placed[~held]), table.only(~held).best()
        if routes is None or single is None:
            return None
        items = np.flatnonzero(held)
        taken = np.array(routes)[placed[items]]
        ours[items], theirs[items] = table.outcomes[taken, items], table.outcomes[single[0], items]
        cost[items] = table.costs[taken, items] + table.probe_costs[items]
    return ours, theirs, float(cost.mean())


def _merged(thresholds: Sequence[float], routes: Sequence[int]) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """The bins with neighbours of one composition made one."""
    parted = [i for i in range(1, len(routes)) if routes[i] != routes[i - 1]]
    return tuple(thresholds[i - 1] for i in parted), (routes[0], *(routes[i] for i in parted))


def _known_or_hardest(difficulty: ArrayLike) -> Floats:
    stated = np.asarray(difficulty, dtype=np.float64)
    return np.where(np.isnan(stated), np.inf, stated)


def _bins(items: int) -> int:
    return min(MOST, max(FEWEST, items // BIN_ITEMS))


def _widened(gain: Interval) -> Interval:
    """The interval of a gain for halves that are not independent.

    Where two compositions are equal in truth and X and Y are their differences in the halves, the halves gain
    X sign(Y) and Y sign(X), whose correlation is (E|X|)^2 / Var X = 2 / pi; more to choose from makes it less.
    """
    mean = gain.mean
    return Interval(mean, mean - WIDENING * (mean - gain.low), mean + WIDENING * (gain.high - mean))


def _in_points(gain: Interval) -> str:
    return f"{100 * gain.mean:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
