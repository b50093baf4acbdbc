"""Workers that write side by side, as a picture of any size: a pane each, below them the answer and what was spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .orchestrator.budget import Budget
from .orchestrator.run_state import Written
from .orchestrator.types import Usage
from .search.reports.figures import printable, spending

NARROWEST = 30
"""Characters across that a pane has at least, where the screen has them."""
LOWEST = 4
"""Lines that a pane has at least, two of them its border; where the screen has fewer, each worker has one line."""
MOST_OF_ANSWER = 3
COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")
REASONS = {
    "eos": "ended its text",
    "total_length": "wrote all that it may",
    "repetition": "repeated itself",
    "error": "failed",
    "aborted": "was broken off",
}
STYLES = {"said": "dim", "drawn": "", "committed": "green"}


@dataclass(frozen=True, slots=True)
class Writer:
    """One worker: its name, what was put into its text and what it drew, as pieces of a kind and a text."""

    name: str
    pieces: tuple[tuple[str, str], ...] = ()
    tokens: int = 0
    commits: int = 0
    state: str = "writing"
    why: str = ""

    def after(self, written: Written) -> Writer:
        """The worker with something more written."""
        text = safe(written.text)
        grown = replace(self, tokens=self.tokens + written.tokens)
        if written.kind == "committed":
            return replace(grown, pieces=(*self.pieces, ("drawn", text), ("committed", "")), commits=self.commits + 1)
        if written.kind == "left":
            return replace(grown, state="ended", why=reason(written))
        *before, (kind, so_far) = self.pieces or ((written.kind, ""),)
        if kind == written.kind:
            return replace(grown, pieces=(*before, (kind, so_far + text)))
        return replace(grown, pieces=(*self.pieces, (written.kind, text)))

    @property
    def standing(self) -> str:
        """How far it is, in words.

        >>> Writer("Alice", tokens=12, commits=2).standing
        '12 tokens, step 3'
        """
        state = f"step {self.commits + 1}" if self.commits and self.state == "writing" else self.state
        return f"{self.tokens:,} tokens, {state}" if self.tokens else state

    def lines(self, console: Console, width: int, most: int) -> list[Text]:
        """The last lines of its text as they fit a width, none of them empty."""
        shown = Text()
        for kind, text in _end(self.pieces, most * width):
            if kind == "committed":
                shown.rstrip()
                shown.append(" ✓\n", STYLES[kind])
            else:
                shown.append(text, STYLES[kind])
        wrapped = shown.wrap(console, max(1, width), overflow="fold")
        return [line for line in wrapped if line.plain.strip()][-most:] if most > 0 else []


@dataclass(frozen=True, slots=True)
class Panes:
    """All workers of a run, as they stand; rich draws it within the width and height that there are.

    Args:
        writers: by the path of the node and the number of the worker, in the order in which they first wrote.
        answers: the answer of all workers of a node, by its path, once they have ended; empty where there is none.
        spent: what the run has spent so far.
        budget: what it may spend.
    """

    writers: Mapping[tuple[str, int], Writer] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    spent: Usage = Usage()
    budget: Budget = Budget()

    def after(self, written: Written) -> Panes:
        """The picture with something more written."""
        now = replace(self, spent=written.spent)
        if written.kind == "answer":
            return replace(now, answers={**self.answers, written.path: safe(written.text)})
        place = (written.path, written.worker)
        writer = self.writers.get(place) or Writer(safe(written.name))
        return replace(now, writers={**self.writers, place: writer.after(written)})

    def ended(self, state: str = "ended") -> Panes:
        """The picture once the run is over: who was still writing is in another state."""
        ended = {
            place: replace(one, state=state) if one.state == "writing" else one for place, one in self.writers.items()
        }
        return replace(self, writers=ended)

    def _named(self) -> list[Writer]:
        """The workers, each with its node's name where there are several nodes."""
        if len({path for path, _ in self.writers}) < 2:
            return list(self.writers.values())
        return [replace(one, name=f"{node(path)}: {one.name}") for (path, _), one in self.writers.items()]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, writers = options.max_width, self._named()
        spent = Text(spending(self.spent, self.budget), "dim")
        spent.truncate(width, overflow="ellipsis")
        below = [*self._answer(console, width), spent]
        height = max(1, options.max_height - 1 - len(below))
        rows = -(-len(writers) // max(1, width // NARROWEST))
        if rows and height // rows >= LOWEST:
            across = -(-len(writers) // rows)
            for first in range(0, len(writers), across):
                colours = [COLOURS[i % len(COLOURS)] for i in range(first, first + across)]
                yield _row(console, writers[first : first + across], colours, (width // across, height // rows))
        else:
            yield from _one_line_each(console, writers, width, height)
        yield from below

    def _answer(self, console: Console, width: int) -> list[Text]:
        lines: list[Text] = []
        for path, answer in self.answers.items():
            whose = f"answer of {node(path)}: " if len(self.answers) > 1 else "answer: "
            told = Text.assemble((whose, "bold green"), answer.strip() or "none")
            lines += list(told.wrap(console, max(1, width), overflow="fold"))[-MOST_OF_ANSWER:]
        return lines


def safe(text: str) -> str:
    r"""Text without what a terminal obeys.

    >>> safe("one\x1b[2J\n\ttwo")
    'one[2J\n two'
    """
    return "\n".join(printable(line, longest=len(line)) for line in text.split("\n"))


def node(path: str) -> str:
    """The name of the node at a structural path.

    >>> node("0.careful")
    'careful'
    """
    return safe(path.rpartition(".")[2])


def reason(written: Written) -> str:
    """Why a worker writes no more, in words that go on after its name.

    >>> reason(Written("root", 0, "Alice", "repetition", "left"))
    'repeated itself'
    """
    return REASONS.get(written.text, safe(written.text))


def _end(pieces: Sequence[tuple[str, str]], characters: int) -> Iterator[tuple[str, str]]:
    """The last pieces that hold so many characters; where a piece is cut moves seldom, so that lines break alike."""
    first, held = len(pieces), 0
    while first and held < characters:
        first -= 1
        held += len(pieces[first][1])
    for i, (kind, text) in enumerate(pieces[first:]):
        start = 0 if i else (held - characters) // max(1, characters) * characters
        yield kind, text[max(0, start) :]


def _row(console: Console, writers: Sequence[Writer], colours: Sequence[str], size: tuple[int, int]) -> Table:
    """Panes of one width side by side, as high as the longest text among them needs."""
    width, most = size
    texts = [_text(console, one, width - 4, most - 2) for one in writers]
    height = max(LOWEST, 2 + max(map(len, texts)))
    row = Table.grid()
    panes = []
    for one, lines, colour in zip(writers, texts, colours, strict=False):
        row.add_column(width=width)
        style = colour if one.state == "writing" else "dim"
        title, standing = Text(one.name, f"bold {colour}"), Text(one.standing)
        text = Text("\n").join(lines)
        panes.append(Panel(text, title=title, subtitle=standing, border_style=style, height=height))
    row.add_row(*panes)
    return row


def _text(console: Console, one: Writer, width: int, most: int) -> list[Text]:
    """The last lines of a worker, and below them why it ended."""
    why = [Text(one.why, "italic")] if one.why else []
    return [*one.lines(console, width, most - len(why)), *why]


def _one_line_each(console: Console, writers: Sequence[Writer], width: int, most: int) -> Iterator[Text]:
    """The last line of each worker, as many as fit."""
    shown = writers if len(writers) <= most else writers[: most - 1]
    for one in shown:
        head = Text.assemble((one.name, "bold"), f" ({replace(one, state=one.why or one.state).standing}): ")
        told = Text("").join([head, *one.lines(console, max(1, width - head.cell_len), 1)])
        told.truncate(width)
        yield told
    if len(shown) < len(writers):
        yield Text(f"and {len(writers) - len(shown)} more", "dim")
