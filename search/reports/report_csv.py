"""The report as comma-separated values: one row a level, then one row a point."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO

from .figures import printable
from .frontier import Estimate, Point
from .report import Report
from .report_level import Level
from .report_words import remarks

Cell = str | float | None
FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def table(report: Report) -> str:
    """The rows as text; `kind` says which are levels and which points, shares run from 0 to 1.

    A row of a level tells of the point chosen there. Text that a spreadsheet would take for a formula begins
    with an apostrophe.
    """
    rows = [*(_level(report, level) for level in report.levels), *(_point(report, point) for point in report.points)]
    head, out = _columns(report), StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_safe, head))
    writer.writerows([_safe(row.get(column)) for column in head] for row in rows)
    return out.getvalue()


def _columns(report: Report) -> list[str]:
    figures = [f"{which}{part}" for which in ("development", "confirmed") for part in ("", "_low", "_high", "_items")]
    costs = [f"cost_{dimension}" for dimension in report.dimensions]
    point = ["critical_path", "replicates", "method", "n", "temperature", "remarks"]
    contest = ["baseline", "standing", "difference", "difference_low", "difference_high"]
    level = ["tied_with", "cheapest_tied", *contest, "not_confirmed"]
    return ["kind", "name", "level", *figures, *costs, *point, *level]


def _level(report: Report, level: Level) -> dict[str, Cell]:
    row: dict[str, Cell] = {
        **_point(report, report.point(level.chosen)),
        "kind": "level",
        "level": level.limit,
        "tied_with": _joined(level.tied_with),
        "cheapest_tied": tied.name if (tied := report.cheapest_tied(level)) else "",
        "not_confirmed": level.not_confirmed,
    }
    if level.contest is None:
        return row
    gap = level.contest.difference
    contest = {"baseline": level.contest.baseline, "standing": level.contest.standing}
    return {**row, **contest, "difference": gap.mean, "difference_low": gap.low, "difference_high": gap.high}


def _point(report: Report, point: Point) -> dict[str, Cell]:
    return {
        "kind": "point",
        "name": point.name,
        **_figures("development", point),
        **_figures("confirmed", point.confirmed),
        **{f"cost_{dimension}": cost for dimension, cost in point.cost.items()},
        "critical_path": point.critical_path,
        "replicates": point.replicates,
        "method": point.method,
        "n": point.n,
        "temperature": point.temperature,
        "remarks": _joined(remarks(report, point)),
    }


def _figures(which: str, estimate: Estimate | None) -> dict[str, Cell]:
    if estimate is None:
        return {}
    parts = {"": estimate.accuracy, "_low": estimate.low, "_high": estimate.high, "_items": estimate.items}
    return {f"{which}{part}": value for part, value in parts.items()}


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(texts)


def _safe(cell: Cell) -> str:
    """A number as it is; a text without control characters, and never a formula."""
    if cell is None:
        return ""
    if not isinstance(cell, str):
        return repr(round(cell, 10))
    text = printable(cell)
    return f"'{text}" if text.lstrip().startswith(FORMULAS) else text
