"""The report in a terminal: tables of rich, and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...orchestrator.budget import NANO
from .figures import counted, full, percent, points_more, printable, span, unit
from .frontier import Estimate, Point
from .report import Report
from .report_curve import ORACLES, TITLES, Curve
from .report_level import Level
from .report_spending import Spending
from .report_words import ORACLE, gap, over, remarks, verdict

WIDE = 126  # characters of a line from which every column is shown
NAME, NARROW_NAME = 24, 16  # characters of a name where a sentence below tells it whole


def show(report: Report, console: Console, is_full: bool) -> None:
    """Print the report; with `is_full`, every composition, difficulty, effect and curve too."""
    console.print(_text(report.title, "bold"))
    for line in filter(None, (report.data, report.split)):
        console.print(_text(line, "dim"))
    console.print(_text(f"Means a query; in brackets the {100 * report.confidence:g} % interval.", "dim"))
    if report.levels:
        console.print(_levels(report, console.width >= WIDE))
    elif report.best:
        console.print(_points(report, "Best so far, on development queries", report.best))
    if report.held_against:
        console.print(_points(report, "Baselines", report.held_against))
    for line in verdict(report):
        console.print(_text(line))
    if is_full:
        _show_rest(report, console)
    for line, style in _remarks(report):
        console.print(_text(line, style))


def _show_rest(report: Report, console: Console) -> None:
    rising = sorted(report.points, key=lambda point: point.cost_in(report.by))
    console.print(_points(report, "All compositions", rising))
    if report.difficulties:
        console.print(_difficulties(report))
    if report.effects:
        console.print(_effects(report))
    for curve in report.curves:
        console.print(_curve(curve))


def _levels(report: Report, is_wide: bool) -> Table:
    """The choices: at each level the point chosen and, below it, the cheapest tied with it.

    What the sentences below tell, too, is left out where there is no room for it.
    """
    table = _empty("Levels", f"{unit(report.by)}\na query", no_wrap=True)
    table.add_column("composition", no_wrap=True, max_width=NAME if is_wide else NARROW_NAME)
    table.add_column("confirmed, %", justify="right", no_wrap=True)
    if is_wide:
        table.add_column("development, %", justify="right", no_wrap=True)
        table.add_column("gap", justify="right", min_width=4)
    table.add_column(unit(report.by), justify="right", no_wrap=True)
    if is_wide:
        table.add_column("serial", justify="right", min_width=4)
    table.add_column("baseline", no_wrap=True)
    table.add_column("", min_width=11)
    for level in report.levels:
        chosen, tied = report.point(level.chosen), report.cheapest_tied(level)
        at = f"≤ {full(level.limit, report.by)}"
        table.add_row(*_row(report, level, chosen, is_wide, at, _standing(report, level), _note(report, level)))
        if tied is not None:
            table.add_row(*_row(report, level, tied, is_wide, "", "", "cheapest tied"))
    return table


def _row(report: Report, level: Level, point: Point, is_wide: bool, *around: str) -> Iterator[Text]:
    """A point at a level; `around` are the level, the standing and the note."""
    at, standing, note = around
    cost, path = _costs(report, point)
    confirmed, development = _figure(point.confirmed), _figure(point)
    flattered = gap(report, level) if point.name == level.chosen else ""
    cells = (at, point.name, confirmed, development, flattered, cost, path, standing, note)
    return map(_text, cells if is_wide else (at, point.name, confirmed, cost, standing, note))


def _costs(report: Report, point: Point) -> tuple[str, str]:
    path = "–" if point.critical_path is None else full(point.critical_path)
    return full(point.cost_in(report.by), report.by), path


def _standing(report: Report, level: Level) -> str:
    if level.contest is not None:
        return level.contest.standing
    return "–" if level.not_confirmed else "is one" if level.chosen in report.baselines else "none fits"


def _note(report: Report, level: Level) -> str:
    tied = f"{len(level.tied_with)} tied" if level.tied_with else ""
    dear = "over its level" if over(report, level) else ""
    return "; ".join(filter(None, ("not confirmed" if level.not_confirmed else "", tied, dear)))


def _remarks(report: Report) -> Iterator[tuple[str, str]]:
    if report.ledger.spent:
        yield f"paid: {', '.join(_spent(report))}", "dim"
    if told := list(_ledger(report.ledger, report.by)):
        yield "; ".join(told), "dim"
    if report.ended:
        yield f"ended: {report.ended}", "dim"
    for line in report.outlook:
        yield f"outlook: {line}", ""
    for line in report.notes:
        yield f"note: {line}", "dim"


def _spent(report: Report) -> Iterator[str]:
    for name, amount in report.ledger.spent.items():
        of = f"{full(amount, name)} of " if name in report.budget else ""
        yield f"{of}{counted(report.budget.get(name, amount), name)}"


def _ledger(ledger: Spending, by: str) -> Iterator[str]:
    """What reuse saved and what each phase took, in the dimension `by`, and how many answers were lost."""
    if (saved := ledger.saved(by)) is not None:
        yield f"replayed: {counted(ledger.replayed(by), by)}, {percent(saved)} % saved by reuse"
    shares = [f"{name} {percent(share)} %" for name in ledger.phases if (share := ledger.share(name, by)) is not None]
    if shares:
        yield f"phases: {', '.join(shares)}"
    if ledger.failures:
        yield f"answers lost: {ledger.failures:,}"


def _points(report: Report, title: str, points: Sequence[Point]) -> Table:
    table = _empty(title, "composition")
    has_confirmed = any(point.confirmed for point in points)
    for heading in ("confirmed, %", "development, %") if has_confirmed else ("development, %",):
        table.add_column(heading, justify="right", no_wrap=True)
    dimensions = [name for name in report.dimensions if name in (report.by, "calls", "nfe", *NANO)]
    for dimension in dimensions:
        table.add_column(unit(dimension), justify="right")
    if any(remarks(report, point) for point in points):
        table.add_column("")
    for point in points:
        figures = (point.confirmed, point) if has_confirmed else (point,)
        costs = (full(point.cost.get(dimension, 0.0), dimension) for dimension in dimensions)
        said = "; ".join(remarks(report, point))
        cells = (point.name, *map(_figure, figures), *costs, said)
        table.add_row(*map(_text, cells[: len(table.columns)]), style="dim" if point.is_oracle else "")
    return table


def _difficulties(report: Report) -> Table:
    table = _empty("By difficulty, development, %", "composition")
    for level in report.difficulties:
        table.add_column(_text(level), justify="right")
    for point in (*report.best, *report.held_against):
        parts = (point.by_difficulty.get(level) for level in report.difficulties)
        table.add_row(*map(_text, (point.name, *map(_figure, parts))))
    return table


def _effects(report: Report) -> Table:
    table = _empty("What each knob does by itself, points, development", "knob")
    for heading in ("from", "to"):
        table.add_column(heading)
    for heading in ("difference", "pairs", "queries"):
        table.add_column(heading, justify="right", no_wrap=True)
    for effect in report.effects:
        found = effect.difference
        moved = f"{points_more(found.mean)} [{points_more(found.low)} to {points_more(found.high)}]"
        row = (effect.axis, effect.before, effect.after, moved, f"{effect.pairs:,}", f"{found.items:,}")
        table.add_row(*map(_text, row))
    return table


def _curve(curve: Curve) -> Table:
    table = _empty(f"More draws of {curve.pool}, %", "draws")
    for kind in curve.kinds:
        bound = f", {ORACLE}" if kind in ORACLES else ""
        table.add_column(_text(f"{TITLES[kind].lower()}{bound}"), justify="right")
    held = {(row.n, row.kind): row.estimate for row in curve.rows}
    for n in sorted({row.n for row in curve.rows}):
        table.add_row(_text(str(n)), *(_text(_figure(held.get((n, kind)))) for kind in curve.kinds))
    return table


def _empty(title: str, first: str, *, no_wrap: bool = False) -> Table:
    table = Table(title=_text(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column(first, no_wrap=no_wrap)
    return table


def _figure(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{percent(estimate.accuracy)} [{span(estimate)}]"


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)
