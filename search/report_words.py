"""What a report says in sentences; each accuracy with its interval, and with how its point was chosen."""

from __future__ import annotations

from collections.abc import Iterator

from .estimators import METHODS
from .figures import counted, full, percent, points_more, span, unit
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
    return tuple(line for level in report.levels for line in _level_verdict(report, level))


def _level_verdict(report: Report, level: Level) -> Iterator[str]:
    limit = within(report, level)
    chosen, recommended = report.point(level.chosen), report.recommended_at(level)
    if level.not_confirmed:
        yield f"{limit}, not confirmed ({level.not_confirmed}): {_claim(report, recommended)}."
        return
    yield f"{limit}: {_claim(report, recommended)}."
    if recommended is not chosen:
        yield f"The data cannot tell it from the dearer choice, {_claim(report, chosen)}."
    yield f"{against(report, level)}."


def how_chosen(point: Point) -> str:
    """What must be said beside the accuracy of a point that was chosen for it."""
    if point.confirmed is not None:
        return f"confirmed on {point.confirmed.items} queries that had no part in the choice"
    return "chosen on the queries it is measured on: expect less on others"


def within(report: Report, level: Level) -> str:
    """The level in words."""
    return f"Within {counted(level.limit, report.by)} a query"


def unconfirmed(report: Report) -> tuple[str, ...]:
    """Which choices are not confirmed, and why: a line each reason."""
    reasons: dict[str, list[str]] = {}
    for level in report.levels:
        if level.not_confirmed:
            reasons.setdefault(level.not_confirmed, []).append(full(level.limit, report.by))
    told = f"{unit(report.by)} a query is not confirmed"
    return tuple(f"The choice within {' or '.join(limits)} {told}: {why}" for why, limits in reasons.items())


def against(report: Report, level: Level) -> str:
    """How the choice of a level stands against the best baseline of equal cost."""
    if level.not_confirmed:
        return "Not compared with a baseline: not confirmed"
    if level.chosen in report.baselines:
        return f"{level.chosen} is itself a baseline"
    if level.contest is None:
        return "No baseline fits this level"
    told = {"beats": "beats", "tied": "cannot be told from", "behind": "is behind"}[level.contest.standing]
    return f"{level.chosen} {told} {level.contest.baseline}: {difference(level.contest.difference)}"


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
