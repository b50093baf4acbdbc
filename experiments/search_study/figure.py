"""The figure: mean regret against calls, a panel a level, a colour a search."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .cells import Table
from .plan import ARCHON, BASELINES, BUDGETS, OURS, OWN, Plan


def draw(table: Table, study: Plan, file: Path) -> None:
    """One PNG; each point is the mean over worlds, small points are the worlds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    figure, panels = pyplot.subplots(
        1, len(study.levels), figsize=(5 * len(study.levels), 4.2), sharey=True, layout="constrained", squeeze=False
    )
    series = {OURS: tuple(BUDGETS)} | {method: (OWN,) for method in BASELINES}
    for axes, level in zip(panels[0], study.levels, strict=True):
        cells = [cell for cell in table.cells(ARCHON, study.items) if cell.level == level]
        for number, (method, budgets) in enumerate(series.items()):
            runs = [[table.at(cell, method, budget) for cell in cells] for budget in budgets]
            calls = np.array([[each.calls for each in group] for group in runs])
            regrets = np.array([[each.regret.mean for each in group] for group in runs])
            order, colour = np.argsort(calls.mean(axis=1)), f"C{number}"
            axes.plot(calls.mean(axis=1)[order], regrets.mean(axis=1)[order], "o-", color=colour, label=method)
            axes.plot(calls.ravel(), regrets.ravel(), ".", color=colour, alpha=0.35, ms=4)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda calls, _: f"{calls / 1000:,.0f}k"))
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        axes.set_title(f"at most {level} calls a query")
        axes.set_xlabel("model calls of the search")
        axes.grid(alpha=0.3, which="both")
    panels[0, 0].set_ylabel("regret, points of accuracy")
    panels[0, 0].set_ylim(bottom=0)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(file, dpi=80)
    pyplot.close(figure)
