"""What a report says in sentences; each accuracy with its interval, and with how its point was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from ..pools.estimators import METHODS
from .figures import counted, full, percent, points_more, span
from .frontier import Difference, Estimate, Point
from .report import Report
from .report_level import Level

ORACLE = "oracle (needs the answers)"


def verdict(report: Report) -> tuple[str, ...]:
    """What to run, in sentences; each accuracy with its interval and how its point was chosen."""
    if not report.points:
        return ("Nothing was measured: there is no frontier and nothing to recommend.",)
    if not report.levels:
        best = report.best[-1:]
        return ("Nothing is chosen yet, and nothing confirmed.", *(f"Best so far: {_claim(report, p)}." for p in best))
    found = [line for levels, point in recommended(report) for line in _recommendation(report, levels, point)]
    return tuple(dict.fromkeys(found))


def recommended(report: Report) -> list[tuple[list[Level], Point]]:
    """What is recommended, each point with the levels next to each other that it is recommended at."""
    groups = groupby(report.levels, key=lambda level: (level.chosen, level.not_confirmed))
    return [(levels, report.point(name)) for (name, _), group in groups for levels in [list(group)]]


def _recommendation(report: Report, levels: Sequence[Level], point: Point) -> Iterator[str]:
    why = f", not confirmed ({levels[0].not_confirmed})" if levels[0].not_confirmed else ""
    yield f"{within(report, levels)}{why}: {_claim(report, point)}."
    for level in levels:
        if not level.not_confirmed:
            yield f"{level.chosen} {standing(report, level)}."
            if (tied := report.cheapest_tied(level)) is not None:
                yield f"Cheaper, and not told from it by the development queries: {_claim(report, tied)}."
        if told := over(report, level):
            yield f"{told}."


def how_chosen(point: Point) -> str:
    """What must be said beside the accuracy of a point that was chosen for it."""
    if point.confirmed is not None:
        return f"confirmed on {point.confirmed.items} queries that had no part in the choice"
    return "chosen on the queries it is measured on: expect less on others"


def within(report: Report, levels: Sequence[Level]) -> str:
    """The levels in words."""
    fewer = ", ".join(full(level.limit, report.by) for level in levels[:-1])
    return f"Within {fewer}{' or ' if fewer else ''}{counted(levels[-1].limit, report.by)} a query"


def unconfirmed(report: Report) -> tuple[str, ...]:
    """Which choices are not confirmed, and why: a line each reason."""
    reasons: dict[str, list[Level]] = {}
    for level in report.levels:
        if level.not_confirmed:
            reasons.setdefault(level.not_confirmed, []).append(level)
    return tuple(f"{within(report, levels)}, the choice is not confirmed: {why}" for why, levels in reasons.items())


def over(report: Report, level: Level) -> str:
    """What must be said where the choice turned out to cost more than its level; else empty."""
    cost = report.point(level.chosen).cost_in(report.by)
    if cost <= level.limit * (1 + 1e-9):
        return ""
    return f"{level.chosen} turned out to cost {counted(cost, report.by)} a query, more than its level"


def standing(report: Report, level: Level) -> str:
    """How the choice of a level stands against the best baseline of equal cost."""
    if level.not_confirmed:
        return "is not confirmed, and so not compared"
    if level.contest is None:
        return "is itself a baseline" if level.chosen in report.baselines else "has no baseline that fits its level"
    told = {"beats": "beats", "tied": "cannot be told from", "behind": "is behind"}[level.contest.standing]
    return f"{told} {level.contest.baseline}: {difference(level.contest.difference)}"


def gap(report: Report, level: Level) -> str:
    """How much the development queries flattered the choice, in points; empty where that is not known."""
    chosen = report.point(level.chosen)
    return "" if chosen.confirmed is None else points_more(chosen.accuracy - chosen.confirmed.accuracy)


def remarks(report: Report, point: Point) -> tuple[str, ...]:
    """What must stand beside a point wherever it is shown."""
    found = [ORACLE] if point.is_oracle else []
    if point.name in report.baselines:
        found.append("baseline")
    if point.items < report.items:
        found.append(f"{point.items} of {report.items} queries")
    if point.failed:
        found.append(f"{point.failed} draws failed")
    if point.unjudged:
        found.append(f"{point.unjudged} draws could not be judged")
    if point.unscored:
        found.append(f"{point.unscored} draws could not be scored by the verifier")
    return tuple(found)


def method_title(method: str) -> str:
    """The method's name for people."""
    return METHODS[method].title if method in METHODS else method.replace("_", " ").capitalize()


def shown(estimate: Estimate) -> str:
    """An accuracy and its interval, in percent."""
    return f"{percent(estimate.accuracy)} % [{span(estimate)}]"


def difference(found: Difference) -> str:
    """A difference and its interval, in points."""
    return f"{points_more(found.mean)} points [{points_more(found.low)} to {points_more(found.high)}]"


def _claim(report: Report, point: Point) -> str:
    cost = counted(point.cost_in(report.by), report.by)
    return f"{point.name}: {shown(point.confirmed or point)} at {cost} a query ({how_chosen(point)})"
