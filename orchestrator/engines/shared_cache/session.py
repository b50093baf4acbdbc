"""A session: a workspace in the cache, what of it was fed, and what waits to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ...errors import EngineRefused
from ...workspace import Committed, Drawn, Event, Left, Opening, Said, Workspace
from ..chat_tokens import ChatTokens
from .row import Row
from .slab import Slab
from .spelling import Spelling
from .views import Ids, OpeningIds, View, Views

MOST_TOKENS = 256
"""Tokens of one session in one pass, where it has more to read than to draw."""
Rows = list[Row]


@dataclass(slots=True)
class Author:
    """A worker as it writes.

    Args:
        spelling: of its block.
        pending: written to its block, but not fed yet.
        drawn: how many tokens it drew.
        since: the text that it drew since something was last said to it.
        has_left: whether it writes no more.
    """

    spelling: Spelling
    pending: list[int] = field(default_factory=list)
    drawn: int = 0
    since: str = ""
    has_left: bool = False


class Session:
    """A workspace in the cache.

    What a worker drew last, and what was said to it since, is fed in the next pass in which it draws. What is left of a
    block that was committed is fed in the next pass of anyone, as a row of its own in the view in which it was written.

    Args:
        opening: of the workspace.
        ids: the same as token ids.
        slab: an empty cache.
        chat: spells what is drawn.
    """

    def __init__(self, opening: Opening, ids: OpeningIds, slab: Slab, chat: ChatTokens) -> None:
        self.slab = slab
        self.authors = [Author(Spelling(chat)) for _ in ids.private]
        self._opening = opening
        self._events: tuple[Event, ...] = ()
        self._chat = chat
        self._layout = ids.layout
        self._views = Views(ids, slab.new_block)
        self._remainders: list[tuple[Ids, View]] = [part for part in self._views.opening if part[0]]
        if ids.is_chain and self._remainders:
            ((whole, view),) = self._remainders
            self._remainders, self.authors[0].pending = [(whole[:-1], view)] if whole[1:] else [], [whole[-1]]

    def holds(self, workspace: Workspace) -> bool:
        """Whether nothing of a workspace was computed that is not here."""
        return self._is_before(workspace) and not any(isinstance(event, Drawn) for event in self.news(workspace))

    def news(self, workspace: Workspace) -> tuple[Event, ...]:
        """What a workspace adds to what was taken in."""
        return workspace.events[len(self._events) :]

    def fold(self, workspace: Workspace) -> Iterator[Rows]:
        """Take in what a workspace adds, yielding the rows of each pass to be computed meanwhile.

        Raises:
            EngineRefused: an event that cannot be.
        """
        for event in self.news(workspace):
            if isinstance(event, Drawn):
                yield from self._redrawn(event)
            else:
                self._fold(event)
        self._events = workspace.events

    def passes(self, drawing: Sequence[int]) -> list[Rows]:
        """The rows of the next passes; the last is that in which workers draw, a row that predicts for each in order.

        Raises:
            EngineRefused: a worker that draws has left, or nothing precedes its next token.
        """
        waiting = [(ids, view, False) for ids, view in self._remainders]
        for worker in drawing:
            waiting.append((self._next_of(worker), self._views.of(worker), True))
            self.authors[worker].pending = []
        self._remainders = []
        passes: list[Rows] = []
        while sum(len(ids) for ids, _, _ in waiting) > max(MOST_TOKENS, len(waiting)):
            head, waiting = _parted(waiting)
            passes.append([Row(self.slab, ids, view, predicts=False) for ids, view in head])
        return [*passes, [Row(self.slab, *each) for each in waiting]]

    def reading(self) -> list[Rows]:
        """The rows of the passes that read what nobody needs to draw after: the opening."""
        return [rows for rows in self.passes(()) if rows]

    def full(self, drawing: Sequence[int], context: int) -> list[int]:
        """The workers whose views leave no place for another token if all these draw in the next pass."""
        lengths = [block.length for block in self.slab.blocks]
        for ids, view in self._remainders:
            lengths[view[-1]] += len(ids)
        for worker in drawing:
            lengths[self._views.own[worker]] += len(self.authors[worker].pending)
        if sum(lengths) < context:
            return []
        return [worker for worker in drawing if sum(lengths[block] for block in self._views.of(worker)) >= context]

    def write(self, worker: int, token: int) -> str:
        """Put a token that a worker drew into its block; the text it adds."""
        author = self.authors[worker]
        author.drawn += 1
        author.pending.append(token)
        text = author.spelling.add((token,))
        author.since += text
        return text

    def end(self, worker: int) -> None:
        """Note that a worker drew an end-of-text token, which is not kept."""
        self.authors[worker].drawn += 1

    def drew(self, event: Drawn) -> None:
        """Note that all that `event` tells was written here."""
        self._events = (*self._events, event)

    def _is_before(self, workspace: Workspace) -> bool:
        return workspace.opening == self._opening and workspace.events[: len(self._events)] == self._events

    def _next_of(self, worker: int) -> Ids:
        author = self.authors[worker]
        if author.has_left or not author.pending:
            why = "it has left" if author.has_left else "nothing is"
            raise EngineRefused(
                f"a worker that draws must have something written after what was computed, but of worker {worker} "
                f"{why}; say words to it first, or let it rest"
            )
        return tuple(author.pending)

    def _fold(self, event: Said | Committed | Left) -> None:
        author = self.authors[event.worker]
        if isinstance(event, Said):
            author.pending += event.tokens
            author.spelling.add(event.tokens)
            author.since = ""
            return
        if not (isinstance(event, Left) or self._layout.commits):
            raise EngineRefused(f"a layout must have commits for worker {event.worker} to commit; set commits = true")
        if isinstance(event, Left):
            author.has_left, author.pending = True, []
            self._views.leave(event.worker)
        elif not self._views.is_chain:
            if author.pending:
                self._remainders.append((tuple(author.pending), self._views.of(event.worker)))
            author.pending, author.spelling = [], Spelling(self._chat)
            self._views.commit(event.worker)

    def _redrawn(self, event: Drawn) -> Iterator[Rows]:
        """The passes in which workers drew what is known, each fed what it was fed then."""
        drawing = [worker for worker in range(len(self.authors)) if event.draws(worker)]
        for i in range(max(map(event.draws, drawing), default=0)):
            yield from self.passes(drawing)
            for worker in drawing:
                if i < len(event.tokens[worker]):
                    self.write(worker, event.tokens[worker][i])
                else:
                    self.end(worker)


def spans(rows: Iterable[Row]) -> list[tuple[int, int]]:
    """Of rows that were just computed: the positions in its view where each begins and ends."""
    return [(row.position - len(row.tokens), row.position) for row in rows]


def _parted(waiting: Sequence[tuple[Ids, View, bool]]) -> tuple[list[tuple[Ids, View]], list[tuple[Ids, View, bool]]]:
    """The first tokens of what waits, as many as one pass reads; and the rest, one at least where a row predicts."""
    room, head, rest = MOST_TOKENS, [], []
    for ids, view, predicts in waiting:
        taken = min(room, len(ids) - predicts)
        room -= taken
        if taken:
            head.append((ids[:taken], view))
        if ids[taken:]:
            rest.append((ids[taken:], view, predicts))
    return head, rest
