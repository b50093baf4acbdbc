"""The figures: accuracy against attempts with the predicted band and ceiling, and value where a wrong answer costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ponder.orchestrator.intervals import Interval

from .comparison import TRIES, Comparison

COLUMNS = 4
SHOWN_COSTS = {0.5: "tab:green", 1.0: "tab:blue", 2.0: "tab:red"}


def draw(comparisons: Sequence[Comparison], stem: Path) -> None:
    """Two PNGs, a panel a setting."""
    _grid(comparisons, _accuracy, "accuracy", stem.with_name(f"{stem.name}_ceiling.png"))
    _grid(comparisons, _value, "value of a task", stem.with_name(f"{stem.name}_bend.png"))


def _grid(comparisons: Sequence[Comparison], panel: Callable[[Any, Comparison], None], label: str, file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = -(-len(comparisons) // COLUMNS)
    figure, panels = pyplot.subplots(rows, COLUMNS, figsize=(15, 3.6 * rows), sharex=True, layout="constrained")
    for axes in panels.flat[len(comparisons) :]:
        axes.set_visible(False)
    for axes, each in zip(panels.flat, comparisons, strict=False):
        panel(axes, each)
        axes.set_title(f"{each.setting.data}: {each.setting.verifier}", fontsize=9)
        axes.set_xscale("log", base=2)
        axes.set_xticks(TRIES, list(map(str, TRIES)))
        axes.grid(alpha=0.3)
    for axes in panels[:, 0]:
        axes.set_ylabel(label)
    for axes in panels.flat[: len(comparisons)][-COLUMNS:]:
        axes.set_xlabel("attempts, at most")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
    figure.savefig(file, dpi=80)
    pyplot.close(figure)


def _accuracy(axes: Any, each: Comparison) -> None:
    _band(axes, each.curves[0.0].accuracy, "tab:blue", "predicted, with its interval")
    axes.plot(TRIES, each.right, "ko", ms=4, label="measured on held-out tasks")
    axes.axhline(each.ceiling[0].mean, color="tab:red", ls=":", label="ceiling: an accepted answer is right")
    axes.set_ylim(0, 1)


def _value(axes: Any, each: Comparison) -> None:
    for cost, colour in SHOWN_COSTS.items():
        curve = each.curves[cost]
        _band(axes, curve.value, colour, f"a wrong answer costs {cost:g}")
        axes.plot(TRIES, each.values(cost), "o", color=colour, ms=4)
        best = int(curve.best.mean)
        if best:
            axes.axvline(best, color=colour, ls=":", lw=1)
    axes.axhline(0, color="0.5", lw=0.8)


def _band(axes: Any, intervals: Sequence[Interval], colour: str, label: str) -> None:
    axes.plot(TRIES, [each.mean for each in intervals], color=colour, lw=1.2, label=label)
    axes.fill_between(
        TRIES, [each.low for each in intervals], [each.high for each in intervals], color=colour, alpha=0.15, lw=0
    )
