"""The live display of a sweep: its phase, what was measured, what is spent of the budget, and the time left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from .searching import Progress

LINE_EVERY_S = 10.0


@contextmanager
def show_progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Yield an observer for `run_sweep`: a live bar on a terminal, a plain line now and then elsewhere."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console) as bars:
        bar = bars.add_task("starting engines", total=None, said="")
        yield lambda now: bars.update(bar, description=now.phase, total=now.tasks, completed=now.done, said=said(now))


def said(now: Progress) -> str:
    """How many compositions were measured, and what is spent of what the budget allows, in words."""
    return f"{now.measured:,} of {now.compositions:,} compositions, {spending(now)}"


def spending(now: Progress) -> str:
    """What is spent of what the budget allows, in words."""
    spent, budget = now.spent, now.budget
    words = [
        f"{spent.total_tokens:,} of {budget.total_tokens:,} tokens"
        if budget.total_tokens
        else f"{spent.total_tokens:,} tokens"
    ]
    if spent.nano_usd or budget.cost_usd is not None:
        words.append(f"${spent.cost_usd:.4f}" + (f" of ${budget.cost_usd:g}" if budget.cost_usd is not None else ""))
    return ", ".join(words)


def time_left(now: Progress, elapsed_s: float) -> str:
    """The time that what is asked for so far will take, as tasks have ended in this run; nothing where none has.

    >>> time_left(Progress(tasks=10, done=4, replayed=2), 60.0)
    ', about 3 min for what is asked so far'
    """
    made, left = now.done - now.replayed, now.tasks - now.done
    if made <= 0 or left <= 0:
        return ""
    seconds = elapsed_s * left / made
    amounts = ((86400, "d"), (3600, "h"), (60, "min"))
    size, unit = next(((size, unit) for size, unit in amounts if seconds >= 2 * size), (1, "s"))
    return f", about {max(1, round(seconds / size))} {unit} for what is asked so far"


def _lines(console: Console) -> Callable[[Progress], None]:
    started = time.monotonic()
    last, phase = -math.inf, ""

    def observe(now: Progress) -> None:
        nonlocal last, phase
        if now.phase != phase or time.monotonic() - last >= LINE_EVERY_S:
            last, phase = time.monotonic(), now.phase
            left = time_left(now, last - started)
            line = f"{now.phase}: {now.done:,} of {now.tasks:,} tasks, {said(now)}{left}"
            console.print(line, highlight=False, soft_wrap=True)

    return observe
