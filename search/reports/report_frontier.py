"""From a report to the frontier that is served: what was chosen at each level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...orchestrator.engines import AnyEngine
from ...orchestrator.frontier import Frontier, FrontierPoint
from ...orchestrator.pipeline import build_strategy
from .frontier import Point
from .report import Report
from .report_level import Level


def to_frontier(report: Report, name: str, engines: Mapping[str, AnyEngine]) -> Frontier:
    """The points chosen at the levels of `report`, each once, cheapest first.

    Before anything was chosen, the frontier of what was measured, each point marked as not confirmed.

    Args:
        report: each chosen point must hold its composition.
        name: of the sweep.
        engines: of the sweep; those that no point uses are left out.
    """
    points = tuple(_point(report, point) for point in report.best)
    used = {engine for point in points for engine in point.strategy.engine_names()}
    kept = {key: spec for key, spec in engines.items() if key in used}
    return Frontier(name=name, by=report.by, engines=kept, points=points)


def _point(report: Report, point: Point) -> FrontierPoint:
    levels = [level for level in report.levels if level.chosen == point.name]
    tied = dict.fromkeys(name for level in levels for name in level.tied_with)
    estimate = point.confirmed or point
    return FrontierPoint(
        name=point.name,
        strategy=build_strategy(point.composition),
        level=levels[0].limit if levels else point.cost_in(report.by),
        cost=point.cost,
        critical_path=point.critical_path,
        **estimate.model_dump(include={"accuracy", "low", "high", "items"}),
        tied_with=tuple(tied),
        not_confirmed="" if point.confirmed else _why(report, levels),
    )


def _why(report: Report, levels: Sequence[Level]) -> str:
    """Why a point is not confirmed."""
    return levels[0].not_confirmed if levels else report.ended or "the search has not chosen yet"
