"""The figure: accuracy after so many passes, a panel a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .measured import Point
from .tasks import TASKS

STYLES = {"shared cache": "-", "others hidden": ":", "vote": "--", "one chain": "-."}
COLOURS = {"one": "0.4", "2": "tab:blue", "3": "tab:green", "4": "tab:red"}


def draw(found: Sequence[Point], stem: Path) -> None:
    """One PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(TASKS), figsize=(5 * len(TASKS), 4.2), sharey=True, layout="constrained")
    for panel, task in zip(panels, TASKS, strict=True):
        _panel(panel, [point for point in found if point.task == task.name])
        panel.set_title(task.name, fontsize=11)
        panel.set_xlabel("passes (tokens a worker)")
    panels[0].set_ylabel("accuracy of answers complete by then")
    named = [panel.get_legend_handles_labels() for panel in panels]
    drawn = {label: line for lines, labels in named for line, label in zip(lines, labels, strict=True)}
    figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=5, fontsize=8)
    figure.savefig(stem.with_suffix(".png"), dpi=80)
    pyplot.close(figure)


def _panel(panel: Any, mine: Sequence[Point]) -> None:
    panel.grid(alpha=0.3)
    for arm in dict.fromkeys(point.arm for point in mine):
        row = [point for point in mine if point.arm == arm]
        style = next(style for end, style in STYLES.items() if arm.endswith(end))
        colour = COLOURS[arm.split()[0]]
        x = [point.passes for point in row]
        panel.plot(x, [point.accuracy.mean for point in row], style, color=colour, label=arm)
        panel.fill_between(
            x, [p.accuracy.low for p in row], [p.accuracy.high for p in row], color=colour, alpha=0.1, linewidth=0
        )
