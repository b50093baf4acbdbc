"""What each knob does by itself: the mean difference between compositions that differ in that knob alone.

As the paired, marginal effects of an analysis of variance, but only from compositions that were measured: a knob that
was never moved alone has no effect to report. Queries are the unit of the interval, because every pair of compositions
meets the same queries: the differences of all pairs on one query are one outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt

from ...orchestrator.canonical import canonical_json
from ...orchestrator.intervals import CONFIDENCE, compare
from ...orchestrator.wording import in_words
from ..decisions.evidence import Evidence
from ..problem import Floats
from .frontier import Difference

LEAST_ITEMS = 15  # fewer queries say next to nothing of a difference
Choices = Mapping[str, object]
Value = bytes  # the canonical JSON of a value


class Effect(BaseModel):
    """What moving one knob from one value to the next did to the accuracy.

    Args:
        axis: the knob's path.
        before: the value moved from, in words.
        after: the value moved to, in words.
        pairs: pairs of measured compositions that differ in this alone.
        difference: accuracy after less accuracy before, the mean over those pairs; the interval is over queries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    axis: str
    before: str
    after: str
    pairs: PositiveInt
    difference: Difference


def axis_effects(
    choices: Sequence[Choices],
    evidence: Evidence,
    *,
    confidence: float = CONFIDENCE,
    least_items: int = LEAST_ITEMS,
) -> tuple[Effect, ...]:
    """The effect of every step between neighbouring values of every knob, in the order the knobs first appear.

    Numbers are neighbours in rising order, as are false and true, other values in the order they first appear; only
    measured values count.
    The effects are of development queries, and of compositions that the search preferred to measure: they say where
    accuracy came from, not what a composition will do.

    Args:
        choices: of each composition, by its number in the evidence: its values by the knobs' paths.
        evidence: what was measured.
        confidence: of the intervals.
        least_items: steps with fewer queries in common are left out.
    """
    measured = {number: evidence.values(number) for number in evidence.compositions}
    keys = {number: {path: canonical_json(value) for path, value in choices[number].items()} for number in measured}
    found: list[Effect] = []
    for axis in dict.fromkeys(path for number in measured for path in choices[number]):
        values = {keys[number][axis]: choices[number][axis] for number in measured if axis in keys[number]}
        groups = _groups(axis, keys)
        for step in pairwise(_ordered(values)):
            pairs = [tuple(group[value] for value in step) for group in groups if group.keys() >= set(step)]
            gaps = [gap for a, b in pairs for gap in [measured[b] - measured[a]] if not np.isnan(gap).all()]
            if difference := _difference(gaps, confidence, least_items):
                before, after = (_word(values[value]) for value in step)
                found.append(Effect(axis=axis, before=before, after=after, pairs=len(gaps), difference=difference))
    return tuple(found)


def _groups(axis: str, keys: Mapping[int, Mapping[str, Value]]) -> list[dict[Value, int]]:
    """Compositions that agree in everything but `axis`, each group by the value of `axis`."""
    groups: dict[tuple[tuple[str, Value], ...], dict[Value, int]] = {}
    for number, held in keys.items():
        if axis in held:
            rest = tuple(sorted((path, value) for path, value in held.items() if path != axis))
            groups.setdefault(rest, {}).setdefault(held[axis], number)
    return list(groups.values())


def _ordered(values: Mapping[Value, object]) -> list[Value]:
    """The values, numbers rising, false before true."""
    numbers = {key: value for key, value in values.items() if isinstance(value, int | float)}
    return sorted(numbers, key=numbers.__getitem__) if len(numbers) == len(values) else list(values)


def _difference(gaps: Sequence[Floats], confidence: float, least_items: int) -> Difference | None:
    """The mean over queries of the mean gap of the pairs known on each; None where too few queries have any."""
    if not gaps:
        return None
    stacked = np.array(gaps)
    shared = ~np.isnan(stacked).all(axis=0)
    if (items := int(shared.sum())) < least_items:
        return None
    means = np.nanmean(stacked[:, shared], axis=0)
    interval = compare(means, np.zeros(items), confidence).interval
    return Difference(items=items, mean=interval.mean, low=max(-1.0, interval.low), high=min(1.0, interval.high))


def _word(value: object) -> str:
    return in_words(value) if isinstance(value, BaseModel) else str(value)
