"""The report in Markdown, and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .measured import PASSES, Duel, Point, is_transmitted
from .tasks import TASKS, Task


def written(found: Sequence[Point], duels: Sequence[Duel], facts: str) -> str:
    """The whole report."""
    parts = [_head(found, facts)]
    for task in TASKS:
        parts += [_accuracies(task, found), _differences(task, duels)]
    return "\n".join(parts)


def numbers(found: Sequence[Point], duels: Sequence[Duel], facts: str) -> dict[str, Any]:
    """The same as data."""
    return {
        "facts": facts,
        "transmitted": is_transmitted(found),
        "points": [asdict(point) for point in found],
        "differences": [asdict(duel) for duel in duels],
    }


def summary(found: Sequence[Point], duels: Sequence[Duel]) -> str:
    """One line."""
    relay = {p.arm: p.accuracy.mean for p in found if p.task == "relay" and p.passes == PASSES[-1]}
    said = ", ".join(f"{arm} {accuracy:.3f}" for arm, accuracy in relay.items())
    return f"{'PASS' if is_transmitted(found) else 'FAIL'}: a relay's answer right: {said}"


def _head(found: Sequence[Point], facts: str) -> str:
    answer = "yes" if is_transmitted(found) else "no"
    return f"""# Workers that share one cache

Made by `python experiments/hogwild.py`. {facts}

The model abacus-workers was trained to work as one of several workers and to read what the others write meanwhile (see
its model card). A *pass* is one token of each worker. An answer counts once its line is complete; workers are held to
the first that any of them completes, independent chains to a majority of those completed. Intervals are at 95 %.

**Does a worker answer from what only another has written?** {answer}: see *relay*, where workers that cannot see the
others have one chance in a hundred or less.

![Accuracy after so many passes](hogwild.png)
"""


def _accuracies(task: Task, found: Sequence[Point]) -> str:
    mine = [point for point in found if point.task == task.name]
    lines = [
        f"## {task.name.capitalize()}",
        "",
        f"{task.says[0].upper()}{task.says[1:]}",
        "",
        "Accuracy after so many passes, and tokens drawn a problem after the last.",
        "",
        "| | " + " | ".join(map(str, PASSES)) + " | tokens |",
        "|---|" + "---|" * (len(PASSES) + 1),
    ]
    for arm in dict.fromkeys(point.arm for point in mine):
        row = [point for point in mine if point.arm == arm]
        lines.append(f"| {arm} | " + " | ".join(f"{p.accuracy.mean:.2f}" for p in row) + f" | {row[-1].tokens:.0f} |")
    return "\n".join([*lines, ""])


def _differences(task: Task, duels: Sequence[Duel]) -> str:
    mine = [duel for duel in duels if duel.task == task.name]
    lines = [
        "The shared cache less a baseline at the same passes, in points; bold where it is surely not zero.",
        "",
        "| workers | against | " + " | ".join(map(str, PASSES)) + " |",
        "|---|---|" + "---|" * len(PASSES),
    ]
    for workers, baseline in dict.fromkeys((duel.workers, duel.baseline) for duel in mine):
        row = [_points(d) for d in mine if (d.workers, d.baseline) == (workers, baseline)]
        lines.append(f"| {workers} | {baseline} | " + " | ".join(row) + " |")
    return "\n".join([*lines, ""])


def _points(duel: Duel) -> str:
    gap = duel.less.interval
    text = f"{100 * gap.mean:+.0f} [{100 * gap.low:+.0f}, {100 * gap.high:+.0f}]"
    return text if duel.less.is_tied else f"**{text}**"
