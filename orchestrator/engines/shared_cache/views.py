"""Which blocks of a slab each worker of a workspace sees, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from ...workspace import Layout, Opening
from ..chat_tokens import ChatTokens

Ids = tuple[int, ...]
View = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OpeningIds:
    """An opening as token ids.

    Args:
        prompt: of the conversation that all answer.
        separators: of the layout's parts; nothing for what is no separator.
        private: what each worker alone is told.
        layout: how they see one another.
    """

    prompt: Ids
    separators: tuple[Ids, ...]
    private: tuple[Ids, ...]
    layout: Layout

    @classmethod
    def of(cls, opening: Opening, chat: ChatTokens) -> OpeningIds:
        """An opening, spelt by a tokenizer."""
        separators = tuple(() if isinstance(p, str) else tuple(chat.encode(p.text)) for p in opening.layout.view)
        private = tuple(tuple(chat.encode(text)) if text else () for text in opening.private)
        return cls(tuple(chat.conversation(opening.messages)), separators, private, opening.layout)

    @property
    def size(self) -> Size:
        """What it takes."""
        numbers = count()
        views = Views(self, numbers.__next__)
        lengths = {view[-1]: len(ids) for ids, view in views.opening}
        seen = (sum(lengths.get(block, 0) for block in views.of(worker)) for worker in range(len(self.private)))
        return Size(sum(lengths.values()), next(numbers), max(seen))

    @property
    def is_chain(self) -> bool:
        """Whether there is one worker, before whose own text nothing ever moves."""
        if len(self.private) > 1:
            return False
        after = self.layout.view[self.layout.view.index("history") + 1 :] if "history" in self.layout.view else ()
        moved = any(self.private[0] if part == "private" else part != "others" for part in after)
        return not (self.layout.commits and moved)


@dataclass(frozen=True, slots=True)
class Size:
    """What an opening takes: tokens, blocks, and the tokens of the longest view."""

    tokens: int
    blocks: int
    longest: int


class Views:
    """The blocks of one workspace, and what each worker sees of them.

    Making one makes the blocks; nothing is written.

    Args:
        ids: of the opening.
        new_block: makes a block of the cache and tells its number.

    Attributes:
        opening: what is written first, in order: ids, and the view whose last block they go to.
        own: of each worker.
    """

    def __init__(self, ids: OpeningIds, new_block: Callable[[], int]) -> None:
        self.opening: list[tuple[Ids, View]] = []
        self._new_block = new_block
        self.is_chain = ids.is_chain
        self._present = list(range(len(ids.private)))
        self._history: list[int] = []
        if self.is_chain:
            self._parts: list[list[int | str]] = [[]]
            self.own = [new_block()]
            self.opening = [(ids.prompt + _chained(ids), (0,))]
            return
        prompt = self._written(ids.prompt, ())
        known: dict[View, int] = {}
        self._parts = [self._arranged(ids, worker, prompt, known) for worker in self._present]
        self.own = [new_block() for _ in self._present]

    def of(self, worker: int) -> View:
        """What a worker sees now, its own block last."""
        view: list[int] = []
        for part in self._parts[worker]:
            if isinstance(part, int):
                view.append(part)
            elif part == "history":
                view += self._history
            else:
                view += [self.own[other] for other in self._present if other != worker]
        return (*view, self.own[worker])

    def commit(self, worker: int) -> None:
        """Make a worker's block history; a chain stays as it is."""
        if not self.is_chain:
            self._history.append(self.own[worker])
            self.own[worker] = self._new_block()

    def leave(self, worker: int) -> None:
        """Take a worker's block out of all views."""
        self._present = [other for other in self._present if other != worker]

    def _arranged(self, ids: OpeningIds, worker: int, prompt: int, known: dict[View, int]) -> list[int | str]:
        """The parts of a worker's view; a separator that comes after the same blocks as another's is the same block."""
        parts: list[int | str] = [prompt]
        for part, separator in zip(ids.layout.view, ids.separators, strict=True):
            before = tuple(block for block in parts if isinstance(block, int))
            if part in ("history", "others"):
                parts.append(str(part))
            elif part == "private":
                parts += [self._written(ids.private[worker], before)] if ids.private[worker] else []
            else:
                if before not in known:
                    known[before] = self._written(separator, before)
                parts.append(known[before])
        return parts

    def _written(self, ids: Ids, before: View) -> int:
        """A new block for some ids of the opening."""
        block = self._new_block()
        self.opening.append((ids, (*before, block)))
        return block


def _chained(ids: OpeningIds) -> Ids:
    """What follows the prompt of one worker, before its own text."""
    parts: Sequence[Ids] = [
        ids.private[0] if part == "private" else separator
        for part, separator in zip(ids.layout.view, ids.separators, strict=True)
    ]
    return sum(parts, ())
