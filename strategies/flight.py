"""A step that is being drawn, and how far it is known to have come."""

from __future__ import annotations

import asyncio

from ..orchestrator.engine import Progress
from ..orchestrator.types import Candidate


class Flight:
    """A step that is being drawn.

    Args:
        number: its worker's.
        begun: tokens that the worker had drawn before.
        most: tokens that it draws at most.
        bound: tokens that it adds to the common text at most.
    """

    def __init__(self, number: int, begun: int, most: int, bound: int) -> None:
        self.number, self.begun, self.most, self.bound = number, begun, most, bound
        self.told = self.shown = 0
        self.drawing: asyncio.Task[Candidate | None] | None = None
        self._moved = asyncio.Event()

    def take_off(self, drawing: asyncio.Task[Candidate | None]) -> None:
        """Begin."""
        self.drawing = drawing
        drawing.add_done_callback(lambda _: self._moved.set())

    def hear(self, progress: Progress) -> None:
        """Note how far it has come."""
        self.told, self.shown = progress.tokens, self.shown + len(progress.text)
        self._moved.set()

    @property
    def is_over(self) -> bool:
        return self.drawing is not None and self.drawing.done()

    @property
    def drawn(self) -> Candidate | None:
        """What it gave, once it is over; None where it is lost."""
        return self.drawing.result() if self.drawing is not None else None

    @property
    def earliest(self) -> tuple[int, int]:
        """The earliest that it ends: tokens that its worker will have drawn, and the worker's number.

        One that is lost ends where it would have at the latest, however far it had come.
        """
        if not self.is_over:
            return self.begun + self.told, self.number
        return self.begun + (self.drawn.usage.completion_tokens if self.drawn else self.most), self.number

    async def moved(self) -> None:
        """Wait until it has come further, or is over."""
        await self._moved.wait()
        self._moved.clear()
