"""The live display of a sweep: tasks, tokens and money against the budget, and the time left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .sweep import Progress as SweepProgress

LINE_EVERY_S = 10.0


@contextmanager
def show_progress(console: Console) -> Iterator[Callable[[SweepProgress], None]]:
    """Yield an observer for `run_sweep`: a live bar on a terminal, a plain line now and then elsewhere."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (
        TextColumn("sweep"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[spent]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("sweep", total=None, spent="starting engines")
        yield lambda now: bars.update(bar, total=now.tasks, completed=now.done, spent=spending(now))


def spending(now: SweepProgress) -> str:
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


def time_left(now: SweepProgress, elapsed_s: float) -> str:
    """The time left in words, as tasks have ended so far in this run; nothing where none has, or none is left.

    >>> time_left(SweepProgress(tasks=10, done=4, replayed=2), 60.0)
    ', about 3 min left'
    """
    made, left = now.done - now.replayed, now.tasks - now.done
    if made <= 0 or left <= 0:
        return ""
    seconds = elapsed_s * left / made
    amounts = ((86400, "d"), (3600, "h"), (60, "min"))
    size, unit = next(((size, unit) for size, unit in amounts if seconds >= 2 * size), (1, "s"))
    return f", about {max(1, round(seconds / size))} {unit} left"


def _lines(console: Console) -> Callable[[SweepProgress], None]:
    started = time.monotonic()
    last = -math.inf

    def observe(now: SweepProgress) -> None:
        nonlocal last
        if now.done == now.tasks or time.monotonic() - last >= LINE_EVERY_S:
            last = time.monotonic()
            left = time_left(now, last - started)
            console.print(f"{now.done} of {now.tasks} tasks, {spending(now)}{left}", highlight=False, soft_wrap=True)

    return observe
