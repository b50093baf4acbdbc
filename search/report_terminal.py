"""The report in a terminal: tables of rich, and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .figures import full, percent, printable, span, unit
from .frontier import Estimate, Point
from .report import Report, remarks, verdict


def show(report: Report, console: Console, is_full: bool) -> None:
    """Print the report; with `is_full`, every composition and difficulty too."""
    console.print(_text(report.title, "bold"))
    for line in filter(None, (report.data, report.split)):
        console.print(_text(line, "dim"))
    console.print(_text(f"Means a query; in brackets the {100 * report.confidence:g} % interval.", "dim"))
    console.print(_table(report, "Frontier", report.best))
    if report.held_against:
        console.print(_table(report, "Baselines", report.held_against))
    for line in verdict(report):
        console.print(_text(line))
    if is_full:
        console.print(_table(report, "All compositions", report.points))
    if is_full and report.difficulties:
        console.print(_difficulties(report))
    for line, style in _remarks(report):
        console.print(_text(line, style))


def _remarks(report: Report) -> Iterator[tuple[str, str]]:
    if report.spent:
        yield f"draws that stand: {', '.join(_spent(report))}", "dim"
    for line in report.incomplete:
        yield f"not reached: {line}", "yellow"
    for line in report.notes:
        yield f"note: {line}", "dim"


def _spent(report: Report) -> Iterator[str]:
    for name, amount in report.spent.items():
        of = f" of {full(report.budget[name], name)}" if name in report.budget else ""
        yield f"{full(amount, name)}{of} {unit(name)}"


def _table(report: Report, title: str, points: Sequence[Point]) -> Table:
    table = _empty(title)
    has_confirmed = any(point.confirmed for point in points)
    for heading in ("accuracy, %", "confirmed, %") if has_confirmed else ("accuracy, %",):
        table.add_column(heading, justify="right", no_wrap=True)
    dimensions = [name for name in report.dimensions if name in (report.by, "calls", "cost_usd")]
    for dimension in dimensions:
        table.add_column(unit(dimension), justify="right")
    if any(remarks(report, point) for point in points):
        table.add_column("")
    for point in points:
        figures = (point, point.confirmed) if has_confirmed else (point,)
        costs = (full(point.cost.get(dimension, 0.0), dimension) for dimension in dimensions)
        said = "; ".join(remarks(report, point))
        cells = (point.name, *map(_figure, figures), *costs, said)
        table.add_row(*map(_text, cells[: len(table.columns)]), style="dim" if point.is_oracle else "")
    return table


def _difficulties(report: Report) -> Table:
    table = _empty("By difficulty, %")
    for level in report.difficulties:
        table.add_column(_text(level), justify="right")
    for point in (*report.best, *report.held_against):
        parts = (point.by_difficulty.get(level) for level in report.difficulties)
        table.add_row(*map(_text, (point.name, *map(_figure, parts))))
    return table


def _empty(title: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("composition")
    return table


def _figure(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{percent(estimate.accuracy)} [{span(estimate)}]"


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)
