"""The geometry of the report's small charts: what more draws give, and what each knob does by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .axis_effects import Effect
from .chart import Chart, Line, Mark, Scale, heights, share_axis, thinned
from .figures import points_more
from .report import Report
from .report_curve import ORACLES, TITLES, Curve, CurveKind, CurveRow
from .report_words import ORACLE, difference, shown

LEFT, RIGHT, TOP, BOTTOM = 40.0, 12.0, 10.0, 30.0
MOST_PANELS = 12
MOST_ROWS = 60
MOST_SIZES = 24


def curve_panels(report: Report, width: float = 310.0, height: float = 240.0) -> tuple[Chart, ...]:
    """One chart a pool, all on one scale: accuracy over the number of draws of every kind of its curve."""
    curves = [curve for curve in report.curves if curve.rows][:MOST_PANELS]
    if not curves:
        return ()
    y, y_ticks = share_axis([row.estimate for curve in curves for row in curve.rows], TOP, height - BOTTOM)
    sizes = sorted({row.n for curve in curves for row in curve.rows})
    x = Scale(sizes[0] / 1.3, sizes[-1] * 1.3, LEFT, width - RIGHT, is_log=True)

    def panel(curve: Curve) -> Chart:
        shown_sizes = set(thinned(sorted({row.n for row in curve.rows}), MOST_SIZES))
        rows = [row for row in curve.rows if row.n in shown_sizes]
        by_kind = {kind: sorted((r for r in rows if r.kind == kind), key=lambda r: r.n) for kind in curve.kinds}
        marks = {kind: _curve_marks(kind, found, x, y) for kind, found in by_kind.items()}
        return Chart(
            *(width, height, LEFT, width - RIGHT, TOP, height - BOTTOM),
            x_title="draws (N)",
            title=curve.pool,
            x_ticks=tuple((x(size), str(size)) for size in thinned(sizes)),
            y_ticks=y_ticks,
            marks=tuple(mark for found in marks.values() for mark in found),
            lines=tuple(Line(series(k), tuple((m.x, m.y) for m in found), k in ORACLES) for k, found in marks.items()),
        )

    return tuple(panel(curve) for curve in curves)


def series(kind: CurveKind) -> int:
    """The place of a kind in the legend."""
    return list(TITLES).index(kind)


def _curve_marks(kind: CurveKind, rows: Sequence[CurveRow], x: Scale, y: Scale) -> list[Mark]:
    """The marks of one kind, moved a little aside so that no interval hides another."""
    aside = (series(kind) - (len(TITLES) - 1) / 2) * 3.0
    return [Mark(round(x(r.n) + aside, 1), *heights(y, r.estimate), series(kind), _curve_tip(r)) for r in rows]


def _curve_tip(row: CurveRow) -> str:
    bound = f"; {ORACLE}" if row.is_oracle else ""
    return f"{TITLES[row.kind]} of {row.n}: {shown(row.estimate)}{bound}"


@dataclass(frozen=True, slots=True)
class EffectRow:
    """One step of a knob: the mean and its interval in pixels from the left."""

    x: float
    low: float
    high: float
    effect: Effect
    tip: str
    is_clear: bool
    begins_axis: bool


@dataclass(frozen=True, slots=True)
class EffectChart:
    """Dots and intervals, one row a step: the width in pixels, where 0 stands, and ticks as (pixels, text)."""

    width: float
    zero: float
    rows: tuple[EffectRow, ...]
    ticks: tuple[tuple[float, str], ...]


def effect_chart(report: Report, width: float = 260.0) -> EffectChart | None:
    """The effects in their order; None where there is none."""
    effects = report.effects[:MOST_ROWS]
    if not effects:
        return None
    low, high, step = _reach(effects)
    x = Scale(low, high, 14.0, width - 14.0)

    def row(place: int, effect: Effect) -> EffectRow:
        found = effect.difference
        tip = f"{effect.axis}, {effect.before} to {effect.after}: {difference(found)} on {found.items} queries"
        begins = place == 0 or effects[place - 1].axis != effect.axis
        return EffectRow(x(found.mean), x(found.low), x(found.high), effect, tip, not found.holds_zero, begins)

    ticks = range(round(low / step), round(high / step) + 1)
    return EffectChart(
        width=width,
        zero=x(0.0),
        rows=tuple(row(place, effect) for place, effect in enumerate(effects)),
        ticks=tuple((x(i * step), points_more(i * step).removesuffix(".0")) for i in ticks),
    )


def _reach(effects: Sequence[Effect]) -> tuple[float, float, float]:
    """Round ends that hold every interval and 0, and the step of the ticks between them."""
    least = min(0.0, *(effect.difference.low for effect in effects))
    most = max(0.0, *(effect.difference.high for effect in effects))
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (most - least) / s <= 6 or s == 0.5)
    low, high = math.floor(least / step) * step, math.ceil(most / step) * step
    return low, max(high, low + step), step
