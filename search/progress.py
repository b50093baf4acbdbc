"""The live display of a sweep: its phase, what was measured and spent, the time left, and what leads so far."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from .reports.figures import full, percent, printable, span, spending, unit
from .searching import Progress

LINE_EVERY_S = 10.0


@contextmanager
def show_progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Yield an observer for `run_sweep`: a live display on a terminal, a plain line now and then elsewhere."""
    with (_screen if console.is_terminal else _lines)(console) as observe:
        yield observe


def said(now: Progress) -> str:
    """How many compositions were measured, and what is spent of what the budget allows, in words."""
    return f"{now.measured:,} of {now.compositions:,} compositions, {spending(now.spent, now.budget)}"


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


@contextmanager
def _screen(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A bar over the tasks and a table of the leaders, which go once the report comes."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
    )
    bars = Bars(*columns, console=console)
    bar = bars.add_task("starting engines", total=None, said="")
    with Live(bars, console=console, transient=True) as live:

        def observe(now: Progress) -> None:
            bars.update(bar, description=now.phase, total=now.tasks, completed=now.done, said=said(now))
            live.update(Group(bars, leading(now)) if now.leaders else bars)

        yield observe


def leading(now: Progress) -> Table:
    """What leads at each level so far, each accuracy with its interval and the queries it is of."""
    table = Table(
        title="Leading so far, on the queries that are searched on", title_justify="left", box=box.SIMPLE_HEAD
    )
    for heading in (f"{unit(now.by)} a query", "composition", unit(now.by), "%", "queries"):
        table.add_column(heading, justify="left" if heading == "composition" else "right")
    for leader in now.leaders:
        found = leader.estimate
        shown = f"{percent(found.accuracy)} [{span(found)}]"
        cells = (f"≤ {full(leader.level, now.by)}", printable(leader.name), full(leader.cost, now.by), shown)
        table.add_row(*map(Text, (*cells, str(found.items))))
    return table


@contextmanager
def _lines(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A line at the beginning and the end of what is to be done, at each phase, and now and then."""
    started, last, phase, shown = math.nan, -math.inf, "", ""

    def line(now: Progress) -> str:
        left = time_left(now, time.monotonic() - started)
        return f"{now.phase}: {now.done:,} of {now.tasks:,} tasks, {said(now)}{left}"

    def observe(now: Progress) -> None:
        nonlocal started, last, phase, shown
        if not latest:
            started = time.monotonic()
        if now.phase != phase or time.monotonic() - last >= LINE_EVERY_S:
            last, phase, shown = time.monotonic(), now.phase, line(now)
            console.print(shown, highlight=False, soft_wrap=True)
        latest.append(now)

    latest: deque[Progress] = deque(maxlen=1)
    yield observe
    if latest and (final := line(latest[0])) != shown:
        console.print(final, highlight=False, soft_wrap=True)
