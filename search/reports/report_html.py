"""The report as one page that needs nothing else: no script, no request, the same bytes every time.

Names, notes and difficulties may come from a model or a data set, and are hostile until shown: everything is
escaped, stripped of control characters and cut, and the page's policy forbids it to load or run anything.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from . import report_words as words
from .chart import COLOURS, MOST_BEST, MOST_MARKS, cost_chart, legend, thinned
from .figures import counted, full, percent, points_more, printable, short, span, unit
from .frontier import Point
from .report import Report
from .report_curve import ORACLES, TITLES
from .report_panels import MOST_PANELS, MOST_ROWS, curve_panels, effect_chart, series

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "report.html.j2"
FEW_DIMENSIONS = ("total_tokens", "nfe", "flops", "cost_usd", "compute_seconds")
MOST_POINTS = 300
MOST_LINES = 50
MOST_LEVELS = 40
MOST_CARDS = 6
MOST_DIFFICULTIES = 12


def page(report: Report) -> str:
    """The whole page, under 1 MB whatever the report."""
    kinds = [kind for kind in TITLES if any(kind in curve.kinds for curve in report.curves)]
    methods = [(place % COLOURS, words.method_title(method), False) for place, method in enumerate(legend(report))]
    return _template().render(
        report=report,
        words=words,
        dimensions=report.dimensions,
        few=[name for name in report.dimensions if name in (report.by, *FEW_DIMENSIONS)],
        rows=listed(report),
        most_lines=MOST_LINES,
        most_panels=MOST_PANELS,
        most_rows=MOST_ROWS,
        cards=words.recommended(report)[:MOST_CARDS],
        levels=report.levels[:MOST_LEVELS],
        best=thinned(report.best, MOST_BEST),
        held_against=report.held_against[:MOST_BEST],
        difficulties=report.difficulties[:MOST_DIFFICULTIES],
        chart=cost_chart(report),
        methods=methods[: COLOURS * 4],
        panels=curve_panels(report),
        oracle_series={series(kind) for kind in ORACLES},
        kinds=[(series(kind) % COLOURS, TITLES[kind], kind in ORACLES) for kind in kinds],
        effects=effect_chart(report),
        colours=COLOURS,
        is_thinned=len(report.points) > MOST_MARKS,
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_harmless
    )
    environment.filters |= {"percent": percent, "span": span, "full": full, "short": short, "unit": unit}
    environment.filters |= {"brief": _brief, "title_case": _title_case}
    environment.filters |= {"data_url": _data_url, "counted": counted, "points_more": points_more}
    return environment.from_string(files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8"))


def listed(report: Report) -> tuple[Point, ...]:
    """The points of the full table: all, or, of very many, those measured on the most queries, in their order."""
    if len(report.points) <= MOST_POINTS:
        return report.points
    named = {*(point.name for point in report.best), *report.baselines}
    ranked = sorted(report.points, key=lambda point: (point.name not in named, -point.items, -point.accuracy))
    kept = {point.name for point in ranked[:MOST_POINTS]}
    return tuple(point for point in report.points if point.name in kept)


def _brief(text: str, longest: int = 160) -> str:
    return printable(text, longest)


def _data_url(png: str) -> object:
    """The address of a picture that lies in the page itself; its base64 was checked when the report was made."""
    from markupsafe import Markup, escape

    return Markup("data:image/png;base64,") + escape(png)


def _title_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def _harmless(value: object) -> object:
    from markupsafe import Markup

    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
