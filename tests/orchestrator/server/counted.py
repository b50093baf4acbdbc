"""A simulated engine that counts by itself what it made: every token, also of calls that were cancelled."""

from __future__ import annotations

import asyncio
from typing import ClassVar, Literal

from ponder.orchestrator.engine import Completion, Request, Watch
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec


class CountedSpec(SimulatedSpec):
    kind: Literal["counted"] = "counted"  # type: ignore[assignment]
    name: str = "counted"

    def open(self) -> CountedEngine:
        CountedEngine.opened[self.name] = CountedEngine(self)
        return CountedEngine.opened[self.name]


class CountedEngine(SimulatedEngine):
    opened: ClassVar[dict[str, CountedEngine]] = {}

    def __init__(self, spec: CountedSpec) -> None:
        super().__init__(spec)
        self.tokens = self.calls = self.cancelled = self.in_flight = self.most_in_flight = 0

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await super().complete(request, watch)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1

    def _draw(self, request: Request, prompt_tokens: int) -> Completion:
        done = super()._draw(request, prompt_tokens)
        self.tokens += done.usage.total_tokens
        return done
