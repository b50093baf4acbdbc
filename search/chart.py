"""The geometry of the report's charts: where things stand, in pixels; the page draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from .figures import short, unit
from .frontier import Estimate, Point
from .report import Report, remarks, shown

T = TypeVar("T")
Place = tuple[float, float]
LEFT, RIGHT, TOP, BOTTOM = 52.0, 20.0, 16.0, 46.0
PANEL_LEFT, PANEL_RIGHT, PANEL_TOP, PANEL_BOTTOM = 40.0, 12.0, 10.0, 30.0
MOST_MARKS = 250
MOST_BEST = 60
MOST_PANELS = 12
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
        is_strong: whether it is on the frontier.
    """

    x: float
    y: float
    low: float
    high: float
    series: int
    tip: str
    label: str = ""
    label_y: float = 0.0
    is_strong: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line through the means of one method."""

    series: int
    places: tuple[Place, ...]
    is_oracle: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: its frame in pixels, its ticks as (pixels, text), its marks and lines."""

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
    marks: tuple[Mark, ...] = ()
    confirmed: tuple[Mark, ...] = ()
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
    """The methods in the order of their first point; the place is the series."""
    methods = dict.fromkeys(point.method for point in report.points if not point.is_oracle)
    oracles = dict.fromkeys(point.method for point in report.points if point.is_oracle)
    return (*methods, *(method for method in oracles if method not in methods))


def cost_chart(report: Report, width: float = 960.0, height: float = 500.0) -> Chart | None:
    """Accuracy against cost on a logarithmic axis, the frontier as a line; None where nothing was measured.

    Oracles are left to `curves`. Of very many points, the frontier, the baselines and the cheapest are drawn; what
    was confirmed is drawn for the winner and the recommended point. Marks of nearly one cost stand a little apart.
    """
    points = drawn(report)
    costs = [cost for point in points if (cost := point.cost_in(report.by)) > 0]
    if not points:
        return None
    low, high = (min(costs), max(costs)) if costs else (1.0, 1.0)
    x = Scale(low / 1.25, high * 1.25, LEFT, width - RIGHT, is_log=True)
    y, y_ticks = _share_axis([*points, *(p.confirmed for p in points if p.confirmed)], TOP, height - BOTTOM)
    series = {method: place for place, method in enumerate(legend(report))}
    number = {point.name: str(place) for place, point in enumerate(thinned(report.best, MOST_BEST), start=1)}

    def mark(point: Point, estimate: Estimate, shift: float = 0.0) -> Mark:
        at = round(x(point.cost_in(report.by)) + shift, 1)
        label, is_strong = number.get(point.name, ""), point.name in number
        return Mark(at, *_heights(y, estimate), series[point.method], tip(report, point), label, 0.0, is_strong)

    strong = [mark(point, point) for point in points if point.name in number]
    weak = [mark(point, point) for point in points if point.name not in number]
    chosen = [point for point in report.best if point in (report.recommended, report.winner)]
    return Chart(
        *(width, height, LEFT, width - RIGHT, TOP, height - BOTTOM),
        x_title=f"{unit(report.by)} a query, logarithmic",
        x_ticks=tuple((x(value), short(value)) for value in log_ticks(x.low, x.high)),
        y_ticks=y_ticks,
        marks=(*_apart(weak, 3.0), *_labelled(_apart(strong, 6.0))),
        confirmed=tuple(mark(p, p.confirmed, 14.0) for p in chosen if p.confirmed),
        lines=(Line(-1, _steps([(x(p.cost_in(report.by)), y(p.accuracy)) for p in report.best], width - RIGHT)),),
    )


def curves(report: Report, width: float = 310.0, height: float = 240.0) -> tuple[Chart, ...]:
    """One chart a temperature: accuracy over N of every method with more than one N, and of the single draw."""
    sizes_of: dict[tuple[str, float | None], set[int]] = {}
    for point in report.points:
        sizes_of.setdefault((point.method, point.temperature), set()).add(point.n)
    curved = {temperature for (_, temperature), sizes in sizes_of.items() if len(sizes) > 1}
    several = [
        p for p in report.points if p.temperature in curved and (p.n == 1 or len(sizes_of[p.method, p.temperature]) > 1)
    ][:MOST_MARKS]
    if not several:
        return ()
    y, y_ticks = _share_axis(several, PANEL_TOP, height - PANEL_BOTTOM)
    sizes = sorted({point.n for point in several})
    x = Scale(sizes[0] / 1.3, sizes[-1] * 1.3, PANEL_LEFT, width - PANEL_RIGHT, is_log=True)
    temperatures = sorted({p.temperature for p in several}, key=lambda t: (t is not None, t or 0.0))

    def panel(temperature: float | None) -> Chart:
        marks, lines = _curves(report, [p for p in several if p.temperature == temperature], x, y)
        return Chart(
            *(width, height, PANEL_LEFT, width - PANEL_RIGHT, PANEL_TOP, height - PANEL_BOTTOM),
            x_title="draws (N)",
            title="" if temperature is None else f"temperature {temperature:g}",
            x_ticks=tuple((x(size), str(size)) for size in thinned(sizes)),
            y_ticks=y_ticks,
            marks=marks,
            lines=lines,
        )

    return tuple(panel(temperature) for temperature in temperatures[:MOST_PANELS])


def drawn(report: Report) -> list[Point]:
    """The points of the cost chart, cheapest first: all but oracles, or, of very many, the first to be named above."""
    points = sorted((p for p in report.points if not p.is_oracle), key=lambda p: (p.cost_in(report.by), p.name))
    if len(points) <= MOST_MARKS:
        return points
    named = {*(point.name for point in thinned(report.best, MOST_BEST)), *report.baselines[:MOST_BEST]}
    others = [point.name for point in points if point.name not in named and point.name not in report.frontier]
    kept = named.union(others[: MOST_MARKS - len(named)])
    return [point for point in points if point.name in kept]


def tip(report: Report, point: Point) -> str:
    """What hovering over a point says."""
    cost = f"{short(point.cost_in(report.by))} {unit(report.by)} a query"
    confirmed = f"; confirmed {shown(point.confirmed)}" if point.confirmed else ""
    return "; ".join((f"{point.name}: {shown(point)}{confirmed}", cost, *remarks(report, point)))


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


def _curves(report: Report, points: Sequence[Point], x: Scale, y: Scale) -> tuple[tuple[Mark, ...], tuple[Line, ...]]:
    """The marks and lines of a panel, methods moved a little aside so that no interval hides another."""
    marks: list[Mark] = []
    lines: list[Line] = []
    methods = legend(report)
    single = [(x(1), y(point.accuracy)) for point in points if point.method == "single"]
    for series, method in enumerate(methods):
        mine = sorted((point for point in points if point.method == method), key=lambda point: point.n)
        aside = 0.0 if method == "single" else (series - (len(methods) - 1) / 2) * 3.0
        found = [Mark(round(x(point.n) + aside, 1), *_heights(y, point), series, tip(report, point)) for point in mine]
        if found:
            start = single if mine[0].n > 1 else []  # of one draw, every method makes the same
            lines.append(Line(series, (*start, *((mark.x, mark.y) for mark in found)), mine[0].is_oracle))
        marks.extend(found)
    return tuple(marks), tuple(lines)


def _share_axis(
    estimates: Sequence[Estimate], top: float, bottom: float
) -> tuple[Scale, tuple[tuple[float, str], ...]]:
    """A scale that holds every interval, between round shares, and four to eight ticks."""
    low, high = min(e.low for e in estimates), max(e.high for e in estimates)
    step = next(s for s in (2, 5, 10, 20) if (high - low) * 100 / s <= 7)
    first, last = math.floor(low * 100 / step), math.ceil(high * 100 / step)
    last = max(last, first + 1)
    scale = Scale(first * step / 100, last * step / 100, bottom, top)
    return scale, tuple((scale(i * step / 100), f"{i * step}") for i in range(first, last + 1))


def _heights(y: Scale, estimate: Estimate) -> tuple[float, float, float]:
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
