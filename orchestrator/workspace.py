"""What workers that share one attention cache have written, as a log from which their cache can be made again.

Several workers of one model write side by side; each sees the common prompt, what was finished, what the others are
writing, and its own text last (Rodionov et al. 2025, Hogwild! inference, arXiv 2504.06261).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .canonical import digest
from .types import Message


class Separator(BaseModel):
    """A text between parts of a view, which every worker reads there and nobody writes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    text: Annotated[str, Field(min_length=1)]


Part = Literal["history", "others", "private"] | Separator


class Layout(BaseModel):
    """What a worker sees after the prompt, in order; its own block always comes last.

    Args:
        view: ``history`` is what was committed, ``others`` the blocks of the other workers in the order of their
            number, ``private`` what only this worker was told, and a table with a ``text`` a separator.
        commits: whether a worker's finished steps become history; where not, its block only grows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    view: tuple[Part, ...]
    commits: bool = False

    @model_validator(mode="after")
    def _shows_each_block_once(self) -> Self:
        named = [part for part in self.view if isinstance(part, str)]
        if len(set(named)) < len(named):
            raise ValueError(f"view must name history, others and private once at most, got {named}")
        if self.commits and "history" not in named:
            raise ValueError(f"view must show the history where workers commit to it, got {named}; name history in it")
        return self


LAYOUTS = {
    "contiguous": Layout(view=("others", "private")),
    "interleaved": Layout(view=("history", "private"), commits=True),
    "combined": Layout(
        view=(
            "history",
            Separator(text="\n\n### Work in progress (others)\n\n"),
            "others",
            Separator(text="<...>\n\n### Work in progress (own)\n\n"),
            "private",
        ),
        commits=True,
    ),
}
"""The layouts of the paper (section 3.3): how workers see one another's text."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What stands before anything is written.

    Args:
        messages: the conversation that all workers answer.
        layout: how they see one another.
        private: what each worker alone is told, one text a worker, which may be empty; their number is the workers'.
        room: most tokens that will be written in all, by which the cache is measured out.
    """

    messages: tuple[Message, ...]
    layout: Layout
    private: tuple[str, ...]
    room: int

    @property
    def workers(self) -> int:
        return len(self.private)


@dataclass(frozen=True, slots=True)
class Said:
    """Tokens put into a worker's own block, which nobody drew: its opening words, a cue."""

    worker: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """A worker's own block became history; something must be said to it next, which opens its new block."""

    worker: int


@dataclass(frozen=True, slots=True)
class Left:
    """A worker's own block vanished from all views, and it writes no more."""

    worker: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """What each worker drew, one token a pass from the same first pass on; nothing for one that rests.

    Args:
        tokens: of each worker.
        ended: the workers that drew an end-of-text token besides, in the last pass.
    """

    tokens: tuple[tuple[int, ...], ...]
    ended: tuple[int, ...] = ()

    def draws(self, worker: int) -> int:
        """Tokens that a worker drew: as many as there were passes, or none."""
        return len(self.tokens[worker]) + (worker in self.ended)


Event = Said | Committed | Left | Drawn


@dataclass(frozen=True, slots=True)
class Workspace:
    """An opening and everything that happened since.

    Args:
        id: names the opening and the events by their content.
    """

    opening: Opening
    events: tuple[Event, ...] = ()
    id: bytes = b""

    @classmethod
    def opened(cls, opening: Opening) -> Workspace:
        """A workspace in which nothing has happened."""
        return cls(opening, (), digest("workspace", opening))

    def then(self, *events: Event) -> Workspace:
        """The workspace after more events."""
        name = reduce(lambda id, event: digest(id, type(event).__name__, event), events, self.id)
        return Workspace(self.opening, (*self.events, *events), name)

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was drawn yet, so that nothing was computed either."""
        return not any(isinstance(event, Drawn) for event in self.events)

    @property
    def written(self) -> int:
        """Tokens said or drawn so far, by all workers."""
        return sum(_size(event) for event in self.events)

    @property
    def unread(self) -> int:
        """Tokens said since something was last drawn: what the next pass reads besides."""
        last = max((i for i, event in enumerate(self.events) if isinstance(event, Drawn)), default=-1)
        return sum(_size(event) for event in self.events[last + 1 :])

    @property
    def waiting(self) -> int:
        """Tokens said to workers that drew nothing since; beside a token each, nothing else is left to compute."""
        told = [0] * self.opening.workers
        for event in self.events:
            if isinstance(event, Said):
                told[event.worker] += len(event.tokens)
            elif isinstance(event, Drawn):
                told = [0 if event.draws(worker) else tokens for worker, tokens in enumerate(told)]
        return sum(told)

    def drawn_by(self, worker: int) -> int:
        """Tokens that a worker drew so far, those that ended a text among them."""
        return sum(event.draws(worker) for event in self.events if isinstance(event, Drawn))


def _size(event: Event) -> int:
    if isinstance(event, Drawn):
        return sum(map(len, event.tokens))
    return len(event.tokens) if isinstance(event, Said) else 0
