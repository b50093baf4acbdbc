"""The report as one page that needs nothing else: no script, no request, the same bytes every time.

Names, notes and difficulties may come from a model or a data set, and are hostile until shown: everything is
escaped, stripped of control characters and cut, and the page's policy forbids it to load or run anything.
"""

from __future__ import annotations

from importlib.resources import files

from .chart import COLOURS, MOST_BEST, MOST_MARKS, cost_chart, curves, legend, thinned
from .figures import full, percent, printable, short, span, unit
from .frontier import Point
from .report import ORACLE, Report, method_title, remarks, verdict

TEMPLATE = "report.html.j2"
MOST_ROWS = 300
MOST_LINES = 50


def page(report: Report) -> str:
    """The whole page, under 1 MB whatever the report."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_harmless
    )
    environment.filters |= {"percent": percent, "span": span, "full": full, "short": short, "unit": unit}
    environment.filters |= {"method_title": method_title, "brief": _brief, "title_case": _title_case}
    source = files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(
        report=report,
        rows=listed(report),
        most_lines=MOST_LINES,
        best=thinned(report.best, MOST_BEST),
        held_against=report.held_against[:MOST_BEST],
        levels=report.difficulties[:12],
        chart=cost_chart(report),
        panels=curves(report),
        methods=[(method, place % COLOURS, _is_oracle(report, method)) for place, method in enumerate(legend(report))],
        colours=COLOURS,
        is_thinned=len(report.points) > MOST_MARKS,
        verdict=verdict(report),
        remarks=remarks,
        oracle=ORACLE,
    )


def listed(report: Report) -> tuple[Point, ...]:
    """The points of the full table: all, or, of very many, the most accurate in the order of the report."""
    if len(report.points) <= MOST_ROWS:
        return report.points
    named = {*report.frontier, *report.baselines}
    ranked = sorted(report.points, key=lambda point: (point.name not in named, -point.accuracy, point.name))
    kept = {point.name for point in ranked[:MOST_ROWS]}
    return tuple(point for point in report.points if point.name in kept)


def _is_oracle(report: Report, method: str) -> bool:
    return all(point.is_oracle for point in report.points if point.method == method)


def _brief(text: str, longest: int = 80) -> str:
    return printable(text, longest)


def _title_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def _harmless(value: object) -> object:
    from markupsafe import Markup

    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
