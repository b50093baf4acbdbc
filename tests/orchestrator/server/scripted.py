"""An engine that does as it is told and can be watched: how long it takes, how it fails, what is in flight."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Literal

import orjson

from ponder.orchestrator.engine import Capabilities, Completion, EngineSpec, Prompt, Reading, Request
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable
from ponder.orchestrator.meter import Meter
from ponder.orchestrator.types import Finish, ToolCall

SECRET = "upstream-secret-0123456789"


class ScriptedSpec(EngineSpec):
    kind: Literal["scripted"] = "scripted"
    name: str = "scripted"
    latency_s: float = 0.0
    start_s: float = 0.0
    fault: Literal["", "unavailable", "refused", "crash", "dead"] = ""
    text: str = "the answer"
    finish: Finish = Finish.EOS
    context_length: int = 4096
    image_tokens: int = 0
    structured: bool = False
    continues: bool = False
    calls: str = ""
    """The arguments with which it calls the tool that is chosen, or the first, until it is told what one returned."""

    def open(self) -> ScriptedEngine:
        ScriptedEngine.opened[self.name] = ScriptedEngine(self)
        return ScriptedEngine.opened[self.name]


class ScriptedEngine:
    opened: ClassVar[dict[str, ScriptedEngine]] = {}

    def __init__(self, spec: ScriptedSpec) -> None:
        self.spec = spec
        self.starts = self.closes = self.in_flight = self.most_in_flight = self.done = self.cancelled = 0
        self.requests: list[Request] = []

    @property
    def identity(self) -> str:
        return f"scripted:{self.spec.name}"

    @property
    def capabilities(self) -> Capabilities:
        spec = self.spec
        return Capabilities(
            context_length=spec.context_length,
            image_tokens=spec.image_tokens,
            structured=spec.structured,
            continue_prefix=spec.continues,
            tools=bool(spec.calls),
        )

    @property
    def meter(self) -> Meter:
        return self.spec.metered(None)

    async def start(self) -> None:
        self.starts += 1
        await asyncio.sleep(self.spec.start_s)
        if self.spec.fault == "dead":
            raise EngineUnavailable(f"no answer from http://10.0.0.9/?key={SECRET}")

    async def close(self) -> None:
        self.closes += 1

    async def count(self, prompt: Prompt) -> int:
        words = sum(len(message.content) for message in prompt.messages) + len(prompt.tools)
        return words + 1 + self.spec.image_tokens * len(prompt.images)

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.spec.latency_s)
            self._fail()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1
        self.done += 1
        if request.sampling.tools is not None and request.prompt.messages[-1].role != "tool":
            call = self._call(orjson.loads(request.sampling.tools))
            usage = self.meter.generation(await self.count(request.prompt), 1)
            return Completion((), "", Finish.CALLED, usage, calls=(call,))
        tokens = min(len(self.spec.text), request.sampling.max_tokens)
        usage = self.meter.generation(await self.count(request.prompt), tokens)
        return Completion((), self.spec.text[:tokens], self.spec.finish, usage)

    def _call(self, said: dict[str, Any]) -> ToolCall:
        choice = said.get("tool_choice")
        chosen = choice if isinstance(choice, dict) else said["tools"][0]
        return ToolCall(id=f"call_{self.done}", name=chosen["function"]["name"], arguments=self.spec.calls)

    async def read(self, prompt: Prompt) -> Reading:
        raise EngineRefused("a scripted engine does not read")

    def _fail(self) -> None:
        match self.spec.fault:
            case "unavailable":
                raise EngineUnavailable(f"http://10.0.0.9/?key={SECRET} is away", is_free=True)
            case "refused":
                raise EngineRefused(f"http://10.0.0.9/?key={SECRET} says no")
            case "crash":
                raise RuntimeError(f"crashed with {SECRET} and Bearer {SECRET}")
