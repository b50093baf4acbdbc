"""From the record of a sweep to its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...orchestrator.budget import COUNTED, amounts, unit_of
from ...orchestrator.intervals import accuracy_interval, compare
from ...orchestrator.types import Usage
from ...orchestrator.wording import in_words
from ..confirmation import baselines
from ..pools.arms import is_pooled
from ..pools.outcomes import method_of
from ..problem import Floats
from ..record import Chosen, Record
from .axis_effects import axis_effects
from .curves import curves
from .figures import full, unit
from .frontier import Difference, Estimate, Point
from .measured import Measured, Seen
from .naming import name_of
from .natural_order import natural_order
from .pictures import MOST_ROWS, pictures
from .report import Report
from .report_level import Contest, Level
from .report_pictures import Pictures
from .report_spending import Spending


def report(record: Record) -> Report:
    """The report of what a sweep has found so far; the same record gives the same bytes."""
    measured = Measured.of(record)
    points = _points(record, measured)
    sweep, parts = record.sweep, record.parts
    held_against = [id for id in dict.fromkeys(_held_against(record, measured)) if id in points]
    return Report(
        title=sweep.name,
        data=f"{len(parts.development) + len(parts.confirmation)} queries: {in_words(sweep.data)}",
        split=_split(record),
        items=len(parts.development),
        confirmation_items=len(parts.confirmation),
        seed=sweep.seed,
        budget=sweep.budget.model_dump(exclude_none=True, exclude={"seconds"}),
        ledger=_spending(record, measured),
        points=tuple(points.values()),
        levels=_levels(record, measured, points),
        baselines=tuple(points[id].name for id in held_against),
        curves=curves(measured.holdings),
        pictures=_pictures(record, measured, points, held_against),
        outlook=record.verdict.outlook if record.verdict else (),
        effects=axis_effects([member.choices for member in measured.members], measured.evidence),
        ended=record.verdict.reason if record.verdict else "",
        notes=_notes(record),
        by=sweep.by,
    )


def _points(record: Record, measured: Measured) -> dict[str, Point]:
    """Every composition that was measured, by its id."""
    found = {
        id: _point(record, measured, id, seen)
        for number, id in enumerate(measured.ids)
        if (seen := measured.development.get(number)) is not None
    }
    names = {id: point.name for id, point in found.items()}
    for longer in (lambda id: in_words(record.members[id].strategy), lambda id: id):
        counts = Counter(names.values())
        names = {id: f"{name}: {longer(id)}" if counts[name] > 1 else name for id, name in names.items()}
    return {id: point.model_copy(update={"name": names[id]}) for id, point in found.items()}


def _point(record: Record, measured: Measured, id: str, seen: Seen) -> Point:
    member = record.members[id]
    method, n = method_of(member.strategy)
    confirmed = measured.confirmation.get(measured.numbers[id])
    estimate = _estimate(seen.values)
    return Point(
        **estimate.model_dump(),
        name=name_of(member.strategy),
        composition=member.strategy.model_dump(mode="json"),
        method=method if is_pooled(member.strategy) else member.strategy.kind,
        n=n,
        temperature=getattr(member.strategy, "temperature", None),
        cost=dict(zip(COUNTED, _in_units(seen.cost), strict=True)),
        critical_path=member.critical_path,
        replicates=seen.replicates,
        by_difficulty=_by_difficulty(seen),
        failed=seen.failed,
        unjudged=seen.unjudged,
        unscored=seen.unscored,
        confirmed=_estimate(confirmed.values) if confirmed is not None else None,
    )


def _estimate(values: Floats) -> Estimate:
    interval = accuracy_interval(np.clip(values, 0.0, 1.0))
    return Estimate(items=len(values), accuracy=interval.mean, low=interval.low, high=interval.high)


def _by_difficulty(seen: Seen) -> dict[str, Estimate]:
    levels = np.array(seen.difficulties)
    return {
        level: _estimate(seen.values[levels == level]) for level in sorted(set(seen.difficulties), key=natural_order)
    }


def _levels(record: Record, measured: Measured, points: Mapping[str, Point]) -> tuple[Level, ...]:
    """What was chosen at each level, and how it stands against the best baseline there."""
    if record.verdict is None:
        return ()
    found = []
    for chosen in record.verdict.chosen:
        point = points[chosen.composition]
        limit = chosen.level
        tied = [points[id].name for id in chosen.tied if id in points and points[id].cost_in(record.sweep.by) <= limit]
        why = "" if point.confirmed else _unconfirmed(record)
        found.append(
            Level(
                limit=limit,
                chosen=point.name,
                tied_with=tuple(tied),
                contest=_contest(record, measured, points, chosen) if point.confirmed else None,
                not_confirmed=why,
            )
        )
    return tuple(found)


def _unconfirmed(record: Record) -> str:
    """Why what was chosen is not confirmed."""
    return "the budget ended before it could be" if record.is_complete else "the sweep has not come to it yet"


def _contest(record: Record, measured: Measured, points: Mapping[str, Point], chosen: Chosen) -> Contest | None:
    """The choice against the baseline that looked best of those that cost no more and are confirmed."""
    ceiling = _ceiling(record, measured, chosen)
    rivals = [id for id in _baselines(record, measured, ceiling) if id in points and points[id].confirmed is not None]
    if not rivals or chosen.composition in rivals:
        return None
    best = max(rivals, key=lambda id: points[id].accuracy)
    mine, theirs = (measured.confirmation[measured.numbers[id]] for id in (chosen.composition, best))
    shared = sorted(mine.by_query.keys() & theirs.by_query.keys())
    if not shared:
        return None
    found = compare([mine.by_query[query] for query in shared], [theirs.by_query[query] for query in shared])
    gap = found.interval
    difference = Difference(items=found.items, mean=gap.mean, low=max(-1.0, gap.low), high=min(1.0, gap.high))
    return Contest(baseline=points[best].name, difference=difference, is_tied=found.is_tied)


def _held_against(record: Record, measured: Measured) -> list[str]:
    """The ids of every baseline of every level."""
    if record.verdict is None:
        return _baselines(record, measured, np.inf)
    limits = [_ceiling(record, measured, chosen) for chosen in record.verdict.chosen]
    return [id for limit in limits for id in _baselines(record, measured, limit)]


def _ceiling(record: Record, measured: Measured, chosen: Chosen) -> float:
    """What a baseline of equal cost may cost: as much as the level, or as the choice where that turned out dearer."""
    return max(chosen.level, measured.cost(measured.numbers[chosen.composition], record.sweep.by))


def _baselines(record: Record, measured: Measured, limit: float) -> list[str]:
    strategies = [member.strategy for member in measured.members]
    costs = [
        measured.cost(number, record.sweep.by) if number in measured.development else np.inf
        for number in range(len(measured.ids))
    ]
    return [measured.ids[number] for number in baselines(measured.evidence, strategies, costs, limit).values()]


def _pictures(
    record: Record, measured: Measured, points: Mapping[str, Point], held_against: Sequence[str]
) -> Pictures | None:
    """What the choices and the baselines made of a few queries, the choices first where there is no room for all."""
    chosen = [each.composition for each in record.verdict.chosen] if record.verdict else []
    kept = list(dict.fromkeys((*chosen, *held_against)))[:MOST_ROWS]
    kept.sort(key=lambda id: points[id].cost_in(record.sweep.by))
    return pictures(record, measured, {id: points[id].name for id in kept})


def _spending(record: Record, measured: Measured) -> Spending:
    """What was paid by phase, and what all that was measured would have cost fresh."""
    phases: dict[str, Usage] = {}
    before = record.start
    for batch in record.batches:
        now = Usage(**batch.spent)
        phases[batch.phase] = phases.get(batch.phase, Usage()) + (now - before)
        before = now
    return Spending(
        spent=_amounts(before),
        fresh={name: value for name, value in zip(COUNTED, _in_units(measured.fresh), strict=True) if value},
        phases={phase: _amounts(paid) for phase, paid in phases.items()},
        failures=sum(seen.failed for part in (measured.development, measured.confirmation) for seen in part.values()),
    )


def _amounts(usage: Usage) -> dict[str, float]:
    return {name: value for name, value in zip(COUNTED, _in_units(amounts(usage)), strict=True) if value}


def _in_units(cost: Sequence[float] | Floats) -> list[float]:
    """Amounts in the order of `COUNTED`, money in dollars."""
    return [float(x) / unit_of(name) for name, x in zip(COUNTED, cost, strict=True)]


def _split(record: Record) -> str:
    words = "divided by a hash of what they ask"
    if record.sweep.data.kind == "abacus":
        words += "; no embedded model was trained on any of them"
    return words


def _notes(record: Record) -> tuple[str, ...]:
    return (*_of_the_space(record), *_of_the_levels(record), *_of_the_policies(record))


def _of_the_space(record: Record) -> Iterator[str]:
    facts = record.facts
    yield "costs are those of a fresh run, whatever was shared while searching"
    queries = (*record.parts.development, *record.parts.confirmation)
    if alike := len(queries) - len({query.messages for query in queries}):
        yield f"{alike} queries ask what another asks; intervals take them for others, and so are too narrow"
    if facts and facts.refused:
        commonest, _ = max(facts.refused.items(), key=lambda each: each[1])
        count = sum(facts.refused.values())
        yield f"{count} compositions were refused before anything ran, most of them because: {commonest}"
    if facts and facts.is_sampled:
        told = f"the space is too large to enumerate; {facts.compositions:,} of its compositions were drawn"
        joined = record.verdict.compositions - facts.compositions if record.verdict else 0
        yield f"{told}, and {joined:,} more were proposed while it was searched" if joined > 0 else told


def _of_the_levels(record: Record) -> Iterator[str]:
    """The levels at which nothing was chosen, once there are choices."""
    if record.facts and record.verdict:
        chosen = {choice.level for choice in record.verdict.chosen}
        if empty := [full(level, record.sweep.by) for level in record.facts.levels if level not in chosen]:
            yield f"nothing that was measured costs so little: {', '.join(empty)} {unit(record.sweep.by)} a query"


def _of_the_policies(record: Record) -> Iterator[str]:
    """What became of policies by difficulty, levels of one reason together."""
    routings = record.verdict.routings if record.verdict else ()
    for is_chosen, reason in dict.fromkeys((routing.is_chosen, routing.reason) for routing in routings):
        levels = [
            full(each.level, record.sweep.by)
            for each in routings
            if (each.is_chosen, each.reason) == (is_chosen, reason)
        ]
        told = "a policy by difficulty is chosen" if is_chosen else "no policy by difficulty"
        yield f"{told} at {', '.join(levels)} {unit(record.sweep.by)} a query: on the queries searched on, {reason}"
