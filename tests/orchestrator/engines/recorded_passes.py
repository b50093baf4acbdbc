"""Workers of a small random Llama whose every pass is written down, and what a workspace says they must have read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from real_vllm import quiet_imports
from torch import Tensor

from ponder.orchestrator.engines.chat_tokens import ChatTokens
from ponder.orchestrator.engines.shared_cache.advancing import Bounds
from ponder.orchestrator.engines.shared_cache.decoder import SharedDecoder
from ponder.orchestrator.engines.shared_cache.host import Host, Settings
from ponder.orchestrator.engines.shared_cache.loading import load
from ponder.orchestrator.engines.shared_cache.row import Row
from ponder.orchestrator.engines.shared_cache.slab import Slab
from ponder.orchestrator.engines.vllm_model import ModelFiles
from ponder.orchestrator.flops import ModelShape
from ponder.orchestrator.meter import Meter
from ponder.orchestrator.workspace import Committed, Drawn, Layout, Left, Said, Separator, Workspace

EOS = 2


@dataclass(frozen=True)
class Seen:
    """A row after its pass: what its worker saw, its own tokens last, and how many of them the row fed."""

    ids: tuple[int, ...]
    fed: int
    predicts: bool


class RecordingDecoder(SharedDecoder):
    """A decoder that writes down what it reads, and can be told to fail once.

    Attributes:
        fails_at: the number of the pass that runs out of memory; None for none.
    """

    def begin(self) -> None:
        """Forget everything."""
        self.fails_at: int | None = None
        self.passes: list[list[Seen]] = []
        self.logits: list[Tensor] = []
        self._written: defaultdict[tuple[Slab, int], list[int]] = defaultdict(list)

    def forward(self, rows: Sequence[Row]) -> Tensor:
        if len(self.passes) == self.fails_at:
            self.fails_at = None
            raise RuntimeError("out of memory")
        for row in rows:
            self._written[row.slab, row.view[-1]] += row.tokens
        seen = [
            Seen(tuple(t for block in row.view for t in self._written[row.slab, block]), len(row.tokens), row.predicts)
            for row in rows
        ]
        logits = super().forward(rows)
        self.passes.append(seen)
        self.logits.append(logits)
        return logits


@cache
def recording(folder: Path) -> tuple[RecordingDecoder, ChatTokens]:
    """The decoder and the tokenizer of a model."""
    with quiet_imports():
        from transformers import AutoTokenizer

        loaded = load(str(folder), dtype="float32")
        return RecordingDecoder(loaded._model, loaded._layers), ChatTokens(AutoTokenizer.from_pretrained(folder))


@contextmanager
def hosted(
    folder: Path, *, gib: float = 0.1, page_size: int = 4, context: int = 512, ends: tuple[int, ...] = (EOS,)
) -> Iterator[Host]:
    """A host of a model, its decoder recording; `host._decoder` is it."""
    decoder, chat = recording(folder)
    decoder.begin()
    files = ModelFiles(str(folder))
    meter = Meter(model=ModelShape.from_config(files.config))
    settings = Settings(
        Bounds(context, frozenset(ends)), files.config["vocab_size"], int(gib * 2**30), page_size, meter
    )
    with ThreadPoolExecutor(1) as thread:
        yield Host(decoder, chat, settings, thread)


@dataclass
class Board:
    """What each worker of a workspace must have read, folded from its log by the book."""

    prompt: tuple[int, ...]
    separators: dict[str, tuple[int, ...]]
    private: tuple[tuple[int, ...], ...]
    layout: Layout
    history: list[int] = field(default_factory=list)
    own: dict[int, list[int]] = field(default_factory=dict)
    waiting: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, space: Workspace, chat: ChatTokens) -> Board:
        opening = space.opening
        separators = {p.text: tuple(chat.encode(p.text)) for p in opening.layout.view if isinstance(p, Separator)}
        private = tuple(tuple(chat.encode(text)) for text in opening.private)
        board = cls(tuple(chat.conversation(opening.messages)), separators, private, opening.layout)
        for worker in range(opening.workers):
            board.own[worker], board.waiting[worker] = [], 0
        for event in space.events:
            board._take(event)
        return board

    def _take(self, event: Said | Committed | Left | Drawn) -> None:
        match event:
            case Said(worker, tokens):
                self.own[worker] += tokens
                self.waiting[worker] += len(tokens)
            case Committed(worker):
                self.history += self.own[worker]
                self.own[worker], self.waiting[worker] = [], 0
            case Left(worker):
                del self.own[worker]
            case Drawn(tokens):
                for worker, new in enumerate(tokens):
                    if event.draws(worker):
                        self.own[worker] += new
                        self.waiting[worker] = int(worker not in event.ended)

    def read_by(self, worker: int) -> tuple[int, ...]:
        """All that a worker that has just drawn has seen, its own text last."""
        parts = [self.prompt]
        for part in self.layout.view:
            if isinstance(part, Separator):
                parts.append(self.separators[part.text])
            elif part == "history":
                parts.append(tuple(self.history))
            elif part == "private":
                parts.append(self.private[worker])
            else:
                parts += [self._fed(other) for other in sorted(self.own) if other != worker]
        return tuple(token for part in (*parts, self._fed(worker)) for token in part)

    def _fed(self, worker: int) -> tuple[int, ...]:
        own = self.own[worker]
        return tuple(own[: len(own) - self.waiting[worker]])
