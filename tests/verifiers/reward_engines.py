"""Reward models that are easy to foretell: a step's value is a tenth of the last digit of the sum of all digits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ponder.orchestrator.engine import LOWEST_LOGPROB, Capabilities, Completion, Prompt, Reading, Request
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.meter import Meter
from ponder.orchestrator.types import Finish

Row = tuple[float, ...]
READS = Capabilities(generate=False, read=True, context_length=1_000_000)
TELLS = Capabilities(labels=True, continue_prefix=True, context_length=1_000_000)


def value_of(text: str) -> float:
    """Of all that stands before the end of a step."""
    return sum(int(each) for each in text if each in "0123456789") % 10 / 10


def tokens_of(prompt: Prompt) -> int:
    """A token a byte and ten a message; Qwen's mark is one token."""
    text = prompt.text.replace("<extra_0>", "x")
    return sum(10 + len(message.content.encode()) for message in prompt.messages) + len(text.encode())


def rows_at(mark: str) -> Callable[[str], list[Row]]:
    """What a pooling model of two labels gives at each mark of a text."""

    def rows(text: str) -> list[Row]:
        pieces = text.split(mark)
        values = [value_of("".join(pieces[: i + 1])) for i in range(len(pieces) - 1)]
        return [(1 - value, value) for value in values]

    return rows


@dataclass
class Reads:
    """An engine that gives the rows that a function says of a text."""

    rows: Callable[[str], Sequence[Row]]
    identity: str = "reads"
    capabilities: Capabilities = READS
    meter: Meter = Meter(prompt_price=1.0)
    asked: list[Prompt] = field(default_factory=list)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def count(self, prompt: Prompt) -> int:
        return tokens_of(prompt)

    async def encode(self, text: str) -> tuple[int, ...]:
        return ()

    async def complete(self, request: Request) -> Completion:
        raise EngineRefused("it only reads")

    async def read(self, prompt: Prompt) -> Reading:
        self.asked.append(prompt)
        if "refuse" in prompt.text:
            raise EngineRefused("told to")
        return Reading(tuple(self.rows(prompt.text)), self.meter.reading(await self.count(prompt)))


@dataclass
class Tells:
    """An engine whose next token is "+" with nine tenths of the value of what stands before it, or "-"."""

    chance: Callable[[str], float] = value_of
    identity: str = "tells"
    capabilities: Capabilities = TELLS
    meter: Meter = Meter(prompt_price=1.0)
    asked: list[Prompt] = field(default_factory=list)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def count(self, prompt: Prompt) -> int:
        return tokens_of(prompt)

    async def encode(self, text: str) -> tuple[int, ...]:
        return tuple(text.encode())

    async def read(self, prompt: Prompt) -> Reading:
        raise EngineRefused("it only tells")

    async def complete(self, request: Request) -> Completion:
        prompt = request.prompt
        self.asked.append(prompt)
        said = "".join(message.content for message in prompt.messages if message.role == "user") + prompt.text
        if "refuse" in said:
            raise EngineRefused("told to")
        good = self.chance(said)
        assert request.labels == (ord("+"), ord("-"))
        told = (logarithm(0.9 * good), logarithm(0.9 * (1 - good)))
        usage = self.meter.generation(await self.count(prompt), 1, judging=True)
        return Completion((ord("+"),), "+", Finish.TOTAL_LENGTH, usage, label_logprobs=told)


def logarithm(chance: float) -> float:
    return math.log(chance) if chance > 0 else LOWEST_LOGPROB
