"""What is known of a run while it goes: its steps, what it has spent, and its answer as far as it is written."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ..engine import Progress
from ..run_state import Run, Step, Watcher
from ..types import Usage

MOST_STEPS = 200


class Trace:
    """Follows one run.

    Args:
        is_heard: whether the answer is wanted while it is written.
    """

    def __init__(self, *, is_heard: bool = False) -> None:
        self._is_heard = is_heard
        self._begun = time.monotonic()
        self._run: Run | None = None
        self._paid = self._spent = Usage()
        self._steps: list[tuple[float, Step]] = []
        self._missed = 0
        self._grown = asyncio.Event()
        self.text = ""

    def watcher(self) -> Watcher:
        """What tells it of the run."""
        return Watcher(began=self._began, stepped=self._stepped, answered=self._answered if self._is_heard else None)

    @property
    def paid(self) -> Usage:
        """What the run has paid so far, calls that failed or were cancelled included."""
        return self._run.account.spent if self._run else self._paid

    @property
    def spent(self) -> Usage:
        """What the answer costs so far to make afresh."""
        return self._run.ledger.spent if self._run else self._spent

    async def grown(self, length: int) -> None:
        """Wait until more than `length` characters of the answer are written."""
        while len(self.text) <= length:
            await self._grown.wait()

    def told(self) -> dict[str, Any]:
        """The steps, by seconds since the request came; what was spent; and how many calls are on their way."""
        steps = [
            {"at_s": round(at, 4), "path": step.path, "strategy": step.strategy, "draws": step.draws}
            for at, step in self._steps
        ]
        in_flight = self._run.ledger.outstanding if self._run else 0
        spent = self.spent.as_dict()
        return {"steps": steps, "steps_left_out": self._missed, "usage": spent, "in_flight": in_flight}

    def close(self) -> None:
        """Keep the figures alone of a run that has ended."""
        self._paid, self._spent, self._run = self.paid, self.spent, None

    def _began(self, run: Run) -> None:
        self._run = run

    def _stepped(self, step: Step) -> None:
        if len(self._steps) < MOST_STEPS:
            self._steps.append((time.monotonic() - self._begun, step))
        else:
            self._missed += 1

    def _answered(self, progress: Progress) -> None:
        self.text += progress.text
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
