"""A journal's store whose rows can be looked at, and cut."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from ..orchestrator.journal import Memory
from ..orchestrator.journal_file import Row
from ..orchestrator.types import Usage

USAGE_AT = {"effects": 4, "charges": 2}


class Rows(Memory):
    """A store in memory that keeps its rows in the order they were written.

    Args:
        rows: what it holds already, e.g. the first rows of another run.
    """

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self._steps: dict[str, tuple[str, bytes]] = {}
        self._take(rows)

    async def step(self, run: int, place: str) -> tuple[str, bytes] | None:
        return self._steps.get(place)

    async def append(self, rows: list[Row]) -> None:
        await super().append(rows)
        self._take(rows)

    def paid(self) -> Usage:
        """Everything that effects and lost calls cost."""
        texts = (values[USAGE_AT[table]] for table, values in self.rows if table in USAGE_AT)
        return Usage.total(Usage(**orjson.loads(text)) for text in texts)

    def effects(self) -> list[bytes]:
        """The keys of the effects, in the order they were recorded."""
        return [values[0] for table, values in self.rows if table == "effects"]

    def _take(self, rows: Sequence[Row]) -> None:
        self.rows += rows
        for table, values in rows:
            if table == "steps":
                self._steps[values[1]] = (values[2], values[3])
            if table == "effects":
                self._effects[values[0]] = values[3]
