"""The chart of what accuracy costs: where things stand, in pixels; the page draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from .figures import full, short, unit
from .frontier import Estimate, Point
from .report import Report
from .report_words import remarks, shown

T = TypeVar("T")
Place = tuple[float, float]
Style = Literal["faint", "strong", "unsure", "open"]
LEFT, RIGHT, TOP, BOTTOM = 52.0, 20.0, 26.0, 46.0
MOST_MARKS = 150
MOST_BEST = 60
COLOURS = 6  # colours and shapes the page knows; more methods share them


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a chart with its interval.

    Args:
        x: pixels from the left.
        y: pixels from the top.
        low: pixels from the top of the lower end of the interval.
        high: pixels from the top of the upper end.
        series: which method, by its place in the legend.
        tip: what hovering says.
        label: a short text, beside it at `label_y`.
        label_y: pixels from the top of the label.
        style: `strong` a recommendation, confirmed; `unsure` one that is not; `open` a baseline, confirmed; `faint` a
            development estimate.
    """

    x: float
    y: float
    low: float
    high: float
    series: int
    tip: str
    label: str = ""
    label_y: float = 0.0
    style: Style = "faint"


@dataclass(frozen=True, slots=True)
class Line:
    """A line through the means of one series."""

    series: int
    places: tuple[Place, ...]
    is_oracle: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: its frame in pixels, its ticks and limits as (pixels, text), its marks and lines."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_title: str
    title: str = ""
    x_ticks: tuple[tuple[float, str], ...] = ()
    y_ticks: tuple[tuple[float, str], ...] = ()
    limits: tuple[tuple[float, str], ...] = ()
    marks: tuple[Mark, ...] = ()
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from values to pixels, on a logarithmic axis where told."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        def flat(number: float) -> float:
            return math.log(max(number, self.low)) if self.is_log else number

        share = (flat(value) - flat(self.low)) / (flat(self.high) - flat(self.low))
        return round(self.start + share * (self.end - self.start), 1)


def legend(report: Report) -> tuple[str, ...]:
    """The methods that can be run, in the order of their first point; the place is the series."""
    return tuple(dict.fromkeys(point.method for point in report.points if not point.is_oracle))


def cost_chart(report: Report, width: float = 960.0, height: float = 500.0) -> Chart | None:
    """Accuracy against cost on a logarithmic axis, what is recommended as a line; None where nothing was measured.

    What is recommended stands at its confirmed accuracy, its development estimate faint beside it; so do the baselines.
    Of very many points, those and the best measured are drawn. Marks of nearly one cost stand a little apart.
    """
    points = drawn(report)
    if not points:
        return None
    x = _cost_axis(report, points, width)
    y, y_ticks = share_axis([*points, *(p.confirmed for p in points if p.confirmed)], TOP, height - BOTTOM)
    series = {method: place for place, method in enumerate(legend(report))}
    number = {point.name: str(place) for place, point in enumerate(thinned(report.best, MOST_BEST), start=1)}

    def mark(point: Point, estimate: Estimate, style: Style, shift: float = 0.0) -> Mark:
        at, label = round(x(point.cost_in(report.by)) + shift, 1), number.get(point.name, "")
        is_named = style in ("strong", "unsure")
        return Mark(
            at, *heights(y, estimate), series[point.method], tip(report, point), label if is_named else "", 0.0, style
        )

    best = [point for point in points if point.name in number]
    strong = [mark(p, p.confirmed or p, "strong" if p.confirmed else "unsure") for p in best]
    others = [mark(p, p.confirmed, "open") for p in points if p.name not in number and p.confirmed]
    faint = [mark(p, p, "faint", -8.0 if p.confirmed else 0.0) for p in points if p.confirmed or p.name not in number]
    places = [(x(p.cost_in(report.by)), y((p.confirmed or p).accuracy)) for p in report.best]
    return Chart(
        *(width, height, LEFT, width - RIGHT, TOP, height - BOTTOM),
        x_title=f"{unit(report.by)} a query, logarithmic",
        x_ticks=tuple((x(value), short(value)) for value in log_ticks(x.low, x.high)),
        y_ticks=y_ticks,
        limits=tuple((x(level.limit), f"≤ {full(level.limit, report.by)}") for level in report.levels),
        marks=(*_apart(faint, 3.0), *_apart(others, 6.0), *_labelled(_apart(strong, 6.0))),
        lines=(Line(-1, _steps(places, width - RIGHT)),),
    )


def _cost_axis(report: Report, points: Sequence[Point], width: float) -> Scale:
    """A scale that holds every cost above zero and every limit."""
    costs = [cost for point in points if (cost := point.cost_in(report.by)) > 0]
    costs += [level.limit for level in report.levels]
    low, high = (min(costs), max(costs)) if costs else (1.0, 1.0)
    return Scale(low / 1.25, high * 1.25, LEFT, width - RIGHT, is_log=True)


def drawn(report: Report) -> list[Point]:
    """The points of the chart, cheapest first: all but oracles, or, of very many, the first to be named above and
    those measured on the most queries."""
    points = sorted((p for p in report.points if not p.is_oracle), key=lambda p: (p.cost_in(report.by), p.name))
    if len(points) <= MOST_MARKS:
        return points
    best = {point.name for point in report.best}
    named = {*(point.name for point in thinned(report.best, MOST_BEST)), *report.baselines[:MOST_BEST]}
    others = [point for point in points if point.name not in named and point.name not in best]
    others.sort(key=lambda point: -point.items)
    kept = named.union(point.name for point in others[: MOST_MARKS - len(named)])
    return [point for point in points if point.name in kept]


def tip(report: Report, point: Point) -> str:
    """What hovering over a point says."""
    cost = f"{short(point.cost_in(report.by))} {unit(report.by)} a query"
    confirmed = f"confirmed {shown(point.confirmed)}; " if point.confirmed else ""
    return "; ".join((f"{point.name}: {confirmed}development {shown(point)}", cost, *remarks(report, point)))


def log_ticks(low: float, high: float) -> list[float]:
    """Round values between `low` and `high`, close enough to read a logarithmic axis by.

    >>> log_ticks(15, 4000)
    [20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 3000 else (1,)
    return [value for power in decades for step in steps if low <= (value := float(f"{step}e{power}")) <= high]


def thinned(values: Sequence[T], most: int = 8) -> Sequence[T]:
    """At most `most` of `values`, evenly, the last among them.

    >>> thinned([1, 2, 4, 8, 16, 32], 3)
    [2, 8, 32]
    """
    return values[:: -math.ceil(len(values) / most)][::-1] if values else values


def share_axis(estimates: Sequence[Estimate], top: float, bottom: float) -> tuple[Scale, tuple[tuple[float, str], ...]]:
    """A scale that holds every interval, between round shares, and four to eight ticks as (pixels, text)."""
    low, high = min(e.low for e in estimates), max(e.high for e in estimates)
    step = next(s for s in (2, 5, 10, 20) if (high - low) * 100 / s <= 7)
    first, last = math.floor(low * 100 / step), math.ceil(high * 100 / step)
    last = max(last, first + 1)
    scale = Scale(first * step / 100, last * step / 100, bottom, top)
    return scale, tuple((scale(i * step / 100), f"{i * step}") for i in range(first, last + 1))


def heights(y: Scale, estimate: Estimate) -> tuple[float, float, float]:
    """Where an estimate and the ends of its interval stand."""
    return y(estimate.accuracy), y(estimate.low), y(estimate.high)


def _apart(marks: Sequence[Mark], gap: float) -> list[Mark]:
    """The marks, those that would lie on each other moved aside by `gap` pixels each, their middle where it was."""
    clusters: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda mark: mark.x):
        if clusters and mark.x - clusters[-1][-1].x < gap:
            clusters[-1].append(mark)
        else:
            clusters.append([mark])
    spread: list[Mark] = []
    for cluster in clusters:
        start = sum(mark.x for mark in cluster) / len(cluster) - gap * (len(cluster) - 1) / 2
        spread.extend(replace(mark, x=round(start + gap * place, 1)) for place, mark in enumerate(cluster))
    return spread


def _labelled(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """The marks, each label above and left of its own, pushed up where it would lie on another."""
    taken: list[Place] = []
    found: list[Mark] = []
    for mark in marks:
        height = mark.y - 9
        if mark.label:
            while any(abs(mark.x - x) < 20 and abs(height - y) < 13 for x, y in taken):
                height -= 3
            taken.append((mark.x, height))
        found.append(replace(mark, label_y=round(height, 1)))
    return tuple(found)


def _steps(places: Sequence[Place], end: float) -> tuple[Place, ...]:
    """The frontier as stairs: between two points nothing better is known than the cheaper one."""
    corners: list[Place] = []
    for place in places:
        if corners:
            corners.append((place[0], corners[-1][1]))
        corners.append(place)
    return (*corners, (end, corners[-1][1])) if corners else ()
