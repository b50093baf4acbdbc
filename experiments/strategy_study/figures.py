"""The figures: accuracy against what it costs, a panel a bin of problems, a file a measure of cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .comparisons import Point
from .ladders import LADDERS
from .outcomes import METHODS, titles

AXES = {"completion_tokens": "generated tokens a problem", "flops": "FLOPs a problem, judging included"}
BASELINE_COLOURS = {
    "self_consistency": "0.55",
    "best_of_n": "0.35",
    "weighted_best_of_n": "0.0",
    "coverage": "0.8",
}
FAMILIES = {
    "parallel": "sampling and self-evaluation",
    "adaptive": "adaptive stopping and pruning",
    "stepwise": "search by steps",
    "composed": "compositions",
}


def draw(points: Sequence[Point], stem: Path) -> list[Path]:
    """One PNG a measure of cost: rows of families, columns of bins."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    written = []
    for measure, label in AXES.items():
        figure, panels = pyplot.subplots(
            len(FAMILIES), 3, figsize=(15, 4 * len(FAMILIES)), sharex=True, sharey="col", layout="constrained"
        )
        for row, family in zip(panels, FAMILIES, strict=True):
            for panel, bin_name in zip(row, ("easy", "middle", "hard"), strict=True):
                _panel(panel, [point for point in points if point.bin == bin_name], family, measure)
                panel.set_title(f"{FAMILIES[family]}: {bin_name} problems", fontsize=10)
            row[0].set_ylabel("accuracy")
            row[2].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
        for panel in panels[-1]:
            panel.set_xlabel(label)
        file = stem.with_name(f"{stem.name}_{measure.split('_')[-1]}.png")
        figure.savefig(file, dpi=80)
        pyplot.close(figure)
        written.append(file)
    return written


def _panel(panel: Any, points: Sequence[Point], family: str, measure: str) -> None:
    panel.set_xscale("log")
    panel.grid(alpha=0.3)
    for name, title in {**titles(), "coverage": METHODS["coverage"].title}.items():
        mine = [point for point in points if point.strategy == name]
        is_baseline = name in BASELINE_COLOURS
        belongs = LADDERS[name].family == family if name in LADDERS else family == "parallel"
        if not mine or not (is_baseline or belongs):
            continue
        x = [point.costs[measure] for point in mine]
        y = [point.accuracy.mean for point in mine]
        if is_baseline:
            style = ":" if name == "coverage" else "--"
            panel.plot(x, y, style, color=BASELINE_COLOURS[name], label=title, linewidth=1.2)
        else:
            reach = [
                [p.accuracy.mean - p.accuracy.low for p in mine],
                [p.accuracy.high - p.accuracy.mean for p in mine],
            ]
            panel.errorbar(x, y, reach, marker="o", markersize=3, linewidth=1, elinewidth=0.5, label=title)
