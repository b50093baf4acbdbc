"""The figures: accuracy and distance against evaluations, and what searching does to what was not searched for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.orchestrator.intervals import Interval

from .hacking import Hacked
from .measured import Point

DPI = 90
ROW = 0.55  # inches that a row of images is high
STYLES = {
    "steps": ("0.5", "-"),
    "random": ("black", "-"),
    "zero_order": ("tab:brown", "-"),
    "paths": ("tab:purple", "-"),
    "svdd": ("tab:red", "-"),
    "feynman_kac": ("tab:green", "-"),
    "rollover_published": ("tab:blue", ":"),
    "rollover": ("tab:blue", "-"),
}
"""The methods that are drawn: a colour and a line."""
VERIFIER_STYLES = {
    "weak": ("tab:blue", "weak classifier"),
    "better": ("tab:green", "better classifier"),
    "spread": ("tab:red", "class-blind score"),
    "judge": ("black", "the judge itself"),
    "ensemble": ("tab:purple", "rank ensemble"),
}


def scaling(points: Sequence[Point], file: Path) -> None:
    """Accuracy and Frechet distance at equal evaluations, a line a method."""
    pyplot = _pyplot()
    figure, panels = pyplot.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    for name, (colour, line) in STYLES.items():
        mine = [point for point in points if point.method == name]
        if mine:
            sizes = [point.nfe for point in mine]
            _band(panels[0], sizes, [point.svc for point in mine], (colour, line, mine[0].title))
            _band(panels[1], sizes, [point.frechet for point in mine], (colour, line, mine[0].title))
    panels[0].set_ylabel("share of images that show the digit asked for")
    panels[1].set_ylabel("Frechet distance to real digits")
    panels[0].set_ylim(0, 1.02)
    panels[1].set_ylim(bottom=0)
    for panel in panels:
        _doubling(panel, sorted({point.nfe for point in points}))
        panel.set_xlabel("network evaluations an image")
    _legend(figure, panels[0], 4)
    _saved(figure, file)


def hacking(found: Sequence[Hacked], file: Path) -> None:
    """What choosing among more images does by each verifier: its own score, and figures that it does not see."""
    pyplot = _pyplot()
    figure, panels = pyplot.subplots(1, 4, figsize=(15, 4.1), layout="constrained")
    for name, (colour, title) in VERIFIER_STYLES.items():
        mine = [each for each in found if each.verifier == name]
        sizes = [each.n for each in mine]
        style = (colour, "-", title)
        if name != "ensemble":
            first, last = mine[0].score.mean, mine[-1].score.mean
            panels[0].plot(sizes, [(each.score.mean - first) / (last - first) for each in mine], color=colour)
        _band(panels[1], sizes, [each.point.svc for each in mine], style)
        panels[1].plot(sizes, [each.point.judge.mean for each in mine], ":", color=colour)
        _band(panels[2], sizes, [each.point.frechet for each in mine], style)
        _band(panels[3], sizes, [each.point.recall for each in mine], style)
    titles = (
        "the score that is searched by\n(0 at one image, 1 at 64)",
        "share of right digits: by the held-out machine,\nand dotted by the judge",
        "Frechet distance to real digits",
        "recall of real digits",
    )
    for panel, title in zip(panels, titles, strict=True):
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("images to choose from")
        _doubling(panel, sorted({each.n for each in found}))
    _legend(figure, panels[1], 5)
    _saved(figure, file)


def sheet(rows: Mapping[str, NDArray[np.uint8]], file: Path, columns: Sequence[str] = ()) -> None:
    """Rows of images under one another, each ``[height, width]`` of bytes beside its title; all columns are named."""
    pyplot = _pyplot()
    high, wide = next(iter(rows.values())).shape
    margin = 0.07 * max(map(len, rows))
    size = (margin + ROW * wide / high, ROW * len(rows) + 0.25 * bool(columns))
    figure, panels = pyplot.subplots(len(rows), 1, figsize=size, squeeze=False)
    top = 1 - 0.25 * bool(columns) / size[1]
    figure.subplots_adjust(left=margin / size[0], right=1, bottom=0, top=top, hspace=0)
    for panel, (title, image) in zip(panels[:, 0], rows.items(), strict=True):
        panel.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        panel.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    if columns:
        places = [wide * (i + 0.5) / len(columns) for i in range(len(columns))]
        panels[0, 0].xaxis.tick_top()
        panels[0, 0].set_xticks(places, columns, fontsize=9)
        panels[0, 0].tick_params(length=0, pad=2)
    _saved(figure, file)


def _band(panel: Any, x: Sequence[int], y: Sequence[Interval], style: tuple[str, str, str]) -> None:
    colour, line, title = style
    panel.plot(x, [each.mean for each in y], line, marker="o", markersize=3, color=colour, label=title, linewidth=1.4)
    panel.fill_between(x, [each.low for each in y], [each.high for each in y], color=colour, alpha=0.12, linewidth=0)


def _doubling(panel: Any, ticks: Sequence[int]) -> None:
    panel.set_xscale("log", base=2)
    panel.set_xticks(ticks, [str(tick) for tick in ticks])
    panel.grid(alpha=0.3)


def _legend(figure: Any, panel: Any, columns: int) -> None:
    lines, labels = panel.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=columns, fontsize=9)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _saved(figure: Any, file: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(file, dpi=DPI)
    pyplot.close(figure)
