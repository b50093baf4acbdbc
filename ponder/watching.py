"""Watching a run whose workers write side by side: panes on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from .orchestrator.budget import Budget
from .orchestrator.run import DEFAULT_BUDGET
from .orchestrator.run_state import Written
from .panes import Panes, node, reason, safe


@contextmanager
def show_workers(
    console: Console | None = None, budget: Budget = DEFAULT_BUDGET
) -> Iterator[Callable[[Written], None]]:
    """Yield what `run` takes as `on_written`: it shows workers writing side by side.

    A pane each on a terminal, the last of which stays; elsewhere a line for each line that a worker ends. Nothing
    appears as long as nobody writes, so that it may stand around any run.

    Args:
        console: where to; standard error where not given.
        budget: what the run may spend, to show beside what it has spent.
    """
    console = console or Console(stderr=True)
    panes = console.is_terminal and not console.is_dumb_terminal
    with _panes(console, budget) if panes else _lines(console) as on_written:
        yield on_written


@contextmanager
def _panes(console: Console, budget: Budget) -> Iterator[Callable[[Written], None]]:
    now = Panes(budget=budget)
    live = Live(console=console, vertical_overflow="crop")

    def on_written(written: Written) -> None:
        nonlocal now
        now = now.after(written)
        live.update(now)
        live.start()

    state = "broken off"
    try:
        yield on_written
        state = "ended"
    finally:
        live.update(now.ended(state))
        live.stop()


@contextmanager
def _lines(console: Console) -> Iterator[Callable[[Written], None]]:
    begun: dict[tuple[str, int], str] = {}
    names: dict[tuple[str, int], str] = {}
    paths: dict[str, str] = {}

    def say(name: str, text: str) -> None:
        for line in filter(str.strip, text.split("\n")):
            console.print(Text(f"{name}: {line}"), soft_wrap=True)

    def on_written(written: Written) -> None:
        team = paths.setdefault(written.path, node(written.path) if paths else "")
        if written.kind == "answer":
            for place in [place for place in begun if place[0] == written.path]:
                say(names[place], begun.pop(place))
            say(f"answer of {team}" if team else "answer", safe(written.text) or "none")
            return
        place = (written.path, written.worker)
        name = names.setdefault(place, f"{team}: {safe(written.name)}" if team else safe(written.name))
        if written.kind == "left":
            say(name, begun.pop(place, ""))
            console.print(Text(f"{name} {reason(written)}"), soft_wrap=True)
            return
        text = begun.pop(place, "") + safe(written.text) + ("\n" if written.kind == "committed" else "")
        whole, _, begun[place] = text.rpartition("\n")
        say(name, whole)

    try:
        yield on_written
    finally:
        for place, rest in begun.items():
            say(names[place], rest)
