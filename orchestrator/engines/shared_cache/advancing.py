"""Advancing: the workers of a session write, a token each a pass, until the first of them ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from ...engine import Sampling
from ...types import Finish
from ...workspace import Drawn, Workspace
from ..stop_strings import stopped
from .batching import Computes
from .sampling import chance, draw
from .session import Rows, Session, spans

Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What ends a worker of a model.

    Args:
        context: most tokens of a view.
        ends: the end-of-text tokens.
    """

    context: int
    ends: frozenset[int]


class Advancing:
    """Some passes of one session.

    Args:
        session: what is in the cache.
        computer: computes its rows.
        bounds: of the model.
        samplings: how each worker draws; None for one that rests.
        seeds: of each worker.

    Attributes:
        tokens: that each worker drew and keeps.
        texts: that these add to its block.
        finishes: why each worker ended.
        spans: of all rows that were computed, the positions where each begins and ends.
    """

    def __init__(
        self,
        session: Session,
        computer: Computes,
        bounds: Bounds,
        samplings: Sequence[Sampling | None],
        seeds: Sequence[int],
    ) -> None:
        self._session, self._computer, self._bounds = session, computer, bounds
        self._samplings = {i: sampling for i, sampling in enumerate(samplings) if sampling is not None}
        self._seeds = seeds
        self._passes = 0
        self.tokens: list[list[int]] = [[] for _ in samplings]
        self.texts = [""] * len(samplings)
        self.finishes: list[Finish | None] = [None] * len(samplings)
        self.spans: Spans = []

    @property
    def drawn(self) -> int:
        """Tokens drawn by all, those that ended a text among them."""
        return sum(map(len, self.tokens)) + self.finishes.count(Finish.EOS)

    async def run(self) -> Drawn:
        """Compute passes until a worker ends; one that is full at the start rests, and ends with the first pass."""
        drawing = self._room_left(list(self._samplings))
        while drawing:
            await self._pass(drawing)
            self._room_left([worker for worker in drawing if self.finishes[worker] is None])
            if any(self.finishes):
                break
        ended = tuple(i for i, finish in enumerate(self.finishes) if finish is Finish.EOS)
        event = Drawn(tuple(map(tuple, self.tokens)), ended)
        self._session.drew(event)
        return event

    def _room_left(self, drawing: list[int]) -> list[int]:
        """The workers that can draw once more; the others end."""
        full = self._session.full(drawing, self._bounds.context)
        for worker in full:
            self.finishes[worker] = Finish.TOTAL_LENGTH
        return [worker for worker in drawing if worker not in full]

    async def _pass(self, drawing: list[int]) -> None:
        samplings = [self._samplings[worker] for worker in drawing]
        authors = [self._session.authors[worker] for worker in drawing]
        chances = [chance(self._seeds[w], author.drawn) for w, author in zip(drawing, authors, strict=True)]
        *before, rows = self._session.passes(drawing)
        for each in before:
            self.spans += await read(self._computer, each)
        found = await self._computer.compute(rows, partial(draw, samplings=samplings, chances=chances))
        self.spans += spans(rows)
        self._passes += 1
        for worker, token in zip(drawing, found, strict=True):
            self._take(worker, token)

    def _take(self, worker: int, token: int) -> None:
        if token in self._bounds.ends:
            self._session.end(worker)
            self.finishes[worker] = Finish.EOS
            return
        new = self._session.write(worker, token)
        self.tokens[worker].append(token)
        self.texts[worker] += new
        stops = self._samplings[worker].stop
        if stops and stopped(self._session.authors[worker].since, len(new), stops) is not None:
            self.finishes[worker] = Finish.STOP
        elif self._passes == self._samplings[worker].max_tokens:
            self.finishes[worker] = Finish.TOTAL_LENGTH


async def read(computer: Computes, rows: Rows) -> Spans:
    """Compute rows that nobody draws after; the positions where each begins and ends."""
    await computer.compute([replace(row, predicts=False) for row in rows], _nothing)
    return spans(rows)


async def bring_up(session: Session, workspace: Workspace, computer: Computes) -> Spans:
    """Take in what a workspace adds, computing what it tells was drawn; where each row begins and ends."""
    found: Spans = []
    for rows in session.fold(workspace):
        found += await read(computer, rows)
    return found


def _nothing(_: Tensor) -> None:
    return None
