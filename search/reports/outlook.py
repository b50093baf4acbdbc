"""The outlook: what more budget and what more items would buy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...orchestrator.errors import UsageError
from ...orchestrator.intervals import CONFIDENCE, Comparison, Interval, compare
from ..decisions.allocation_model import AllocationModel
from ..decisions.evidence import Evidence
from ..problem import Floats, Indices
from .figures import counted

LEAST_FREEDOM = 3  # measured compositions beyond the coefficients, or a family is not extrapolated
LEAST_R_SQUARED = 0.5
EDGE = 1e-9
TIMES = (2, 4)


@dataclass(frozen=True, slots=True)
class Offer:
    """A composition that was not measured, and the accuracy that its family's model expects of it.

    Args:
        composition: its number.
        family: its family's number.
        cost: of a query.
        accuracy: expected on the items that the others were measured on, with the interval of the prediction.
        beyond: the columns of its knobs that lie outside what was measured in its family: there the line is taken on
            trust.
    """

    composition: int
    family: int
    cost: float
    accuracy: Interval
    beyond: tuple[int, ...] = ()

    def in_words(self, name: str, by: str, columns: Sequence[str] = ()) -> str:
        """The offer in a sentence, the composition by its name, its cost in the dimension `by`, columns by theirs."""
        found, cost = self.accuracy, counted(self.cost, by)
        told = f"{name}: {found.mean:.1%} ({found.low:.1%} to {found.high:.1%}) at {cost} a query, predicted"
        told += " for development queries,"
        if not self.beyond:
            return f"{told} within the range measured"
        knobs = ", ".join(columns[column] if columns else f"column {column}" for column in self.beyond)
        return f"{told} beyond the range measured of {knobs}"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a greater cost a query is expected to buy.

    Args:
        offers: the compositions that are surest to be good, by the lower ends of their intervals.
        refused: by family, why nothing is said of it.
    """

    offers: tuple[Offer, ...]
    refused: dict[int, str]


def outlook(
    features: ArrayLike,
    accuracies: ArrayLike,
    items: ArrayLike,
    costs: ArrayLike,
    families: ArrayLike,
    *,
    level: float,
    factor: float = 10.0,
    better_than: float = 0.0,
    most: int = 3,
    confidence: float = CONFIDENCE,
) -> Outlook:
    """What to buy with `factor` times what a query may cost now, from a model of each family that was measured.

    Each row is a composition: one that was measured, or one that might be, of the space or of a greater one. Only
    compositions that were not measured are offered, and only where they differ from those of their family in knobs
    that were varied. The best prediction of many is best by chance in part: offers are picked by the lower ends of
    their intervals, and these hold for all families at once (Bonferroni).

    Args:
        features: the knobs of each composition, ordered ones on a logarithmic scale.
        accuracies: of each on the development items, 0 to 1; NaN where it was not measured.
        items: that each accuracy was measured on, or one number for all.
        costs: of a query of each.
        families: one number a composition: the same where compositions differ in ordered knobs alone.
        level: what a query may cost now.
        factor: how many times that it might.
        better_than: the accuracy that an offer must be expected to exceed.
        most: offers at most.
        confidence: of the intervals of all families together.

    Raises:
        UsageError: lengths that differ, or a factor or level that is not above 0.
    """
    knobs, seen, paid, groups = _checked(features, accuracies, costs, families)
    if not (factor > 0 and level > 0):
        raise UsageError(f"level and factor must be above 0, got {level:g} and {factor:g}; take greater ones")
    counts = np.broadcast_to(np.asarray(items, dtype=np.float64), seen.shape)
    laws: dict[int, tuple[AllocationModel, Indices, list[tuple[int, ...]]]] = {}
    refused: dict[int, str] = {}
    is_measured = ~np.isnan(seen)
    for family in np.unique(groups).tolist():
        pilots = np.flatnonzero((groups == family) & is_measured)
        others = np.flatnonzero((groups == family) & ~is_measured & (paid <= factor * level))
        found = _extrapolated(knobs[pilots], seen[pilots], counts[pilots], knobs[others])
        if isinstance(found, str):
            refused[family] = found
        else:
            laws[family] = (found[0], others[found[1]], found[2])
    sure = 1 - (1 - confidence) / max(1, len(laws))
    offers = [
        Offer(int(number), family, float(paid[number]), accuracy, columns)
        for family, (model, numbers, beyond) in laws.items()
        for number, accuracy, columns in zip(numbers, model.interval(knobs[numbers], sure), beyond, strict=True)
        if accuracy.mean > better_than
    ]
    offers.sort(key=lambda offer: (-offer.accuracy.low, -offer.accuracy.mean, offer.cost, offer.composition))
    return Outlook(tuple(offers[:most]), refused)


def _checked(
    features: ArrayLike, accuracies: ArrayLike, costs: ArrayLike, families: ArrayLike
) -> tuple[Floats, Floats, Floats, Indices]:
    """The four as arrays of one entry a composition."""
    knobs, seen = np.asarray(features, dtype=np.float64), np.asarray(accuracies, dtype=np.float64)
    paid, groups = np.asarray(costs, dtype=np.float64), np.asarray(families, dtype=np.intp)
    if knobs.ndim != 2 or not len(knobs) == len(seen) == len(paid) == len(groups):
        got = f"{len(knobs)}, {len(seen)}, {len(paid)} and {len(groups)}"
        rule = "features, accuracies, costs and families must have one entry a composition"
        raise UsageError(f"{rule}, got {got}; leave none out, NaN stands for what was not measured")
    return knobs, seen, paid, groups


def _extrapolated(
    pilots: Floats, accuracies: Floats, items: Floats, others: Floats
) -> tuple[AllocationModel, Indices, list[tuple[int, ...]]] | str:
    """The law of a family's pilots, the rows of others that it tells of, and their columns beyond; or why of none."""
    if not len(pilots):
        return "none of its compositions was measured"
    low, high = pilots.min(axis=0), pilots.max(axis=0)
    varied = int((high > low + EDGE).sum())
    model = AllocationModel.fit(pilots, accuracies, items)
    wanted = varied + 1 + LEAST_FREEDOM
    if model.points < wanted:
        return f"{varied} knobs need at least {wanted} compositions measured, got {model.points}; measure more of it"
    if model.freedom > model.points - varied - 1:
        return "its knobs were varied together only, so their effects cannot be told apart; vary one at a time"
    if model.r_squared < LEAST_R_SQUARED:
        return f"its knobs explain {model.r_squared:.0%} of what differs, under the {LEAST_R_SQUARED:.0%} wanted"
    is_beyond = (others < low - EDGE) | (others > high + EDGE)
    rows = np.flatnonzero(~(is_beyond & (high <= low + EDGE)).any(axis=1))
    if not len(rows):
        return "nothing else of it fits the cost and differs in knobs that were varied alone"
    return model, rows, [tuple(np.flatnonzero(is_beyond[row]).tolist()) for row in rows]


@dataclass(frozen=True, slots=True)
class GapOutlook:
    """What more items would tell of the gap between two compositions.

    Args:
        gap: of the first less the second, on the items they share.
        half_width: of its interval now.
        item_sd: the part of the gap's standard deviation that only more items make smaller; all of it where
            `sample_sd` is not known.
        sample_sd: the part that more replicates make smaller too; None where no item has two replicates of both.
    """

    gap: Comparison
    half_width: float
    item_sd: float
    sample_sd: float | None

    def half_width_at(self, times: float) -> float:
        """The half-width to expect with so many times the items."""
        return self.half_width / math.sqrt(times)

    @property
    def needs_items(self) -> bool:
        """Whether the two are tied and the items, not the samples, keep them so."""
        return self.gap.is_tied and self.sample_sd is not None and self.item_sd > self.sample_sd

    def in_words(self) -> str:
        """What to do, in a few sentences."""
        at = ", ".join(f"{100 * self.half_width_at(times):.1f} with {times} times the items" for times in TIMES)
        apart = abs(100 * self.gap.interval.mean)
        reach = 100 * self.half_width
        told = (
            f"The leaders are {apart:.1f} points apart on development queries, give or take {reach:.1f}; expect {at}."
        )
        if not self.gap.is_tied:
            return f"{told} They are told apart already."
        if self.sample_sd is None:
            return f"{told} Neither was measured twice on an item, so what more samples would buy cannot be told."
        parts = (
            f"{100 * self.item_sd:.1f} points of its deviation are due to items, {100 * self.sample_sd:.1f} to samples"
        )
        if self.needs_items:
            return f"{told} {parts}: more development items are needed, for more samples of these would tell little."
        return f"{told} {parts}: more samples of the same items would still tell."


def gap_outlook(evidence: Evidence, first: int, second: int, confidence: float = CONFIDENCE) -> GapOutlook:
    """What more items would tell of the gap between two compositions, and whether items or samples blur it.

    The gap is taken within each replicate that both were measured in, because these share draws. The variance of its
    mean over items has a part due to samples, which the spread between replicates of an item tells, and the rest is
    due to items.

    Args:
        evidence: what was measured.
        first: number of the leader.
        second: number of the one that comes next.
        confidence: of the interval.

    Raises:
        UsageError: fewer than two items were measured for both in one replicate.
    """
    shared = sorted({*evidence.replicates(first)} & {*evidence.replicates(second)})
    ours, theirs = _rows(evidence, first, shared), _rows(evidence, second, shared)
    is_known = ~np.isnan(ours - theirs)
    items = np.flatnonzero(is_known.any(axis=0))
    if len(items) < 2:
        rule = "a gap needs at least 2 items that both were measured on in one replicate"
        raise UsageError(f"{rule}, got {len(items)}; measure both on more")
    ours, theirs = (np.where(is_known, rows, np.nan)[:, items] for rows in (ours, theirs))
    gap = compare(np.nanmean(ours, axis=0), np.nanmean(theirs, axis=0), confidence)
    gaps = ours - theirs
    variance = float(np.nanmean(gaps, axis=0).var(ddof=1)) / len(items)
    sampled = _sample_variance(gaps, is_known[:, items].sum(axis=0))
    half_width = (gap.interval.high - gap.interval.low) / 2
    item_sd = math.sqrt(max(0.0, variance - (sampled or 0.0)))
    return GapOutlook(gap, half_width, item_sd, None if sampled is None else math.sqrt(sampled))


def _rows(evidence: Evidence, composition: int, replicates: Sequence[int]) -> Floats:
    have = evidence.replicates(composition)
    rows: Floats = evidence.replicated(composition)[[have.index(replicate) for replicate in replicates]]
    return rows


def _sample_variance(rows: Floats, known: Indices) -> float | None:
    """The variance of the mean over items that is due to samples, None where no item was measured twice."""
    twice = known >= 2
    if not twice.any():
        return None
    within = float(np.nanvar(rows[:, twice], axis=0, ddof=1) @ (known[twice] - 1) / (known[twice] - 1).sum())
    return within * float((1 / known).sum()) / len(known) ** 2
