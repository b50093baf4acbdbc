"""Random runs of workers over one cache: who writes what, and in which order each sees the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from ponder.orchestrator.engines.shared_cache.decoder import SharedDecoder
from ponder.orchestrator.engines.shared_cache.row import Row
from ponder.orchestrator.engines.shared_cache.slab import Slab

PAGE = 4


@dataclass
class Script:
    """One group of workers: its blocks, and its rows pass by pass.

    Args:
        rng: decides everything.
        workers: of the group.
        words: of the vocabulary.
    """

    rng: Random
    workers: int
    words: int
    passes: list[list[tuple[tuple[int, ...], tuple[int, ...]]]] = field(default_factory=list)
    blocks: int = 0

    def __post_init__(self) -> None:
        prompt, empty = self._block(), self._block()
        self._common = [prompt, empty]
        self._private = {worker: self._block() for worker in range(self.workers) if worker % 2}
        self._own = [self._block() for _ in range(self.workers)]
        self.passes.append([(self._tokens(5, 9), (prompt,))])
        rows = [(self._tokens(1, 5), (prompt, block)) for block in self._private.values()]
        self.passes.append([(self._tokens(1, 2), (prompt, own)) for own in self._own[:1]] + rows)

    def extend(self, passes: int) -> Script:
        """Let workers write, wait and commit, for so many passes."""
        for _ in range(passes):
            writing = self.rng.sample(range(self.workers), self.rng.randint(1, self.workers))
            rows = [(self._tokens(1, 4), self._view(worker)) for worker in writing]
            for worker in writing[:1] if self.rng.random() < 0.5 else ():
                self._common.insert(self.rng.randrange(len(self._common) + 1), self._own[worker])
                self._own[worker] = self._block()
                rows.append((self._tokens(1, 3), self._view(worker, others_only=False)))
            self.passes.append(rows)
        return self

    def _block(self) -> int:
        self.blocks += 1
        return self.blocks - 1

    def _tokens(self, least: int, most: int) -> tuple[int, ...]:
        return tuple(self.rng.randrange(self.words) for _ in range(self.rng.randint(least, most)))

    def _view(self, worker: int, others_only: bool = True) -> tuple[int, ...]:
        others = [own for other, own in enumerate(self._own) if other != worker]
        seen = [*self._common, *self.rng.sample(others, self.rng.randint(0, len(others)))]
        self.rng.shuffle(seen)
        private = [self._private[worker]] if worker in self._private else []
        return (*seen, *private, self._own[worker])


def opened(decoder: SharedDecoder, script: Script) -> Slab:
    """A small cache with the blocks of a script."""
    slab = decoder.slab(PAGE, 8)
    for _ in range(script.blocks):
        slab.new_block()
    return slab


def rows_of(slab: Slab, script: Script, number: int) -> list[Row]:
    return [Row(slab, tokens, view) for tokens, view in script.passes[number]]
