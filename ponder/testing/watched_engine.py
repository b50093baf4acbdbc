"""A simulated engine that is watched at work, and can be made to behave badly."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from ..orchestrator.canonical import digest
from ..orchestrator.engine import Completion, Prompt, Reading, Request
from ..orchestrator.engines.byte_vocabulary import END, encode
from ..orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ..orchestrator.engines.simulated_tree import uniform
from ..orchestrator.errors import EngineRefused, EngineUnavailable
from ..orchestrator.types import Finish, Message, Query, Usage
from .scripted_judge import ScriptedJudge

MOST_PAUSE = 12


@dataclass(frozen=True, slots=True)
class Manner:
    """How all engines of a scene behave.

    Args:
        pause: turns of the event loop that a call takes.
        shuffle: chooses up to 12 turns more for each call, so that calls end in another order; None for none.
        serves: calls that are answered; later ones hang. None answers all.
        loses: the number of the one call that is refused for good, counted from 0; None loses none.
        fails: the calls that fail: those for text, or those that judge (readings and label probabilities).
        refuses: whether a failing call is refused for good, or the engine is unavailable.
        deaf_to: a text that the engines do not hear in a message; draws then depend on nothing but what they hear.
        judge: how they reply to prompts that are not the query itself; None replies as the model does.
    """

    pause: int = 0
    shuffle: int | None = None
    serves: int | None = None
    loses: int | None = None
    fails: Literal["text", "judging"] | None = None
    refuses: bool = True
    deaf_to: str = ""
    judge: ScriptedJudge | None = None


@dataclass(slots=True)
class Seen:
    """What the engines of one run were seen doing.

    Args:
        query: what the run is asked.
        served: what the answered calls cost by the engines' own count.
        calls: calls begun.
        active: calls in flight.
        attempts: answers given to the query itself, in full or in part.
        prompts: every conversation that text was asked for.
        answered: how often text was given.
    """

    query: Query
    served: Usage = Usage()
    calls: int = 0
    active: int = 0
    attempts: int = 0
    prompts: list[tuple[Message, ...]] = field(default_factory=list)
    answered: int = 0


class WatchedEngine(SimulatedEngine):
    """A simulated engine that reports to `seen`."""

    def __init__(self, spec: SimulatedSpec, manner: Manner, seen: Seen) -> None:
        super().__init__(spec)
        self._manner = manner
        self._seen = seen
        self._draws: Counter[bytes] = Counter()

    async def count(self, prompt: Prompt) -> int:
        return await super().count(self._heard(prompt))

    async def complete(self, request: Request) -> Completion:
        if request.labels:
            async with self._call(request, "judging"):
                done = await super().complete(self._asked(request))
                self._seen.served += done.usage
                return done
        self._seen.prompts.append(request.prompt.messages)
        async with self._call(request, "text"):
            done = self._judged(request, await super().complete(self._asked(request)))
            self._seen.served += done.usage
            self._seen.answered += 1
            is_sound = done.usage.completion_tokens <= request.sampling.max_tokens
            self._seen.attempts += is_sound and request.prompt.messages == self._seen.query.messages
            return done

    async def read(self, prompt: Prompt) -> Reading:
        async with self._call(prompt, "judging"):
            reading = await super().read(self._heard(prompt))
            self._seen.served += reading.usage
            return reading

    @asynccontextmanager
    async def _call(self, asked: Request | Prompt, kind: Literal["text", "judging"]) -> AsyncIterator[None]:
        manner, seen = self._manner, self._seen
        number, seen.calls = seen.calls, seen.calls + 1
        seen.active += 1
        try:
            for _ in range(manner.pause + self._extra(asked)):
                await asyncio.sleep(0)
            if manner.serves is not None and number >= manner.serves:
                await asyncio.Event().wait()
            if kind == manner.fails or number == manner.loses:
                raise _failure(manner.refuses)
            yield
        finally:
            seen.active -= 1

    def _extra(self, asked: Request | Prompt) -> int:
        shuffle = self._manner.shuffle
        return 0 if shuffle is None else int(uniform(digest("pause", shuffle, asked), "pause") * (MOST_PAUSE + 1))

    def _heard(self, prompt: Prompt) -> Prompt:
        """The prompt without what the engine is deaf to, and with the responses in it in an order of their own."""
        noise, judge, query = self._manner.deaf_to, self._manner.judge, self._seen.query
        messages = prompt.messages
        if noise:
            messages = tuple(m.model_copy(update={"content": m.content.replace(noise, "")}) for m in messages)
        if judge and len(shown := judge.shown(messages)) > 1:
            messages = (*query.messages, Message(role="user", content="\n".join(sorted(shown))))
        return replace(prompt, messages=messages)

    def _asked(self, request: Request) -> Request:
        """The request as it is heard; its seed, which holds the whole prompt, by what is heard alone."""
        if not self._manner.deaf_to and not self._manner.judge:
            return request
        heard = replace(request, prompt=self._heard(request.prompt), seed=0)
        key = digest(self.identity, heard)
        self._draws[key] += 1
        return replace(heard, seed=int.from_bytes(digest(key, self._draws[key])[:6], "big"))

    def _judged(self, request: Request, done: Completion) -> Completion:
        """The completion, or what the judge of this scene says instead."""
        judge, messages, most = self._manner.judge, request.prompt.messages, request.sampling.max_tokens
        if judge is None or judge.reply == "as drawn" or messages == self._seen.query.messages:
            return done
        text = judge.says(judge.shown(messages))
        tokens, finish = (*encode(text), END)[:most], Finish.EOS if len(text) < most else Finish.TOTAL_LENGTH
        usage = self.meter.generation(
            done.usage.prompt_tokens, len(tokens), done.usage.cached_tokens, judging=request.is_judging
        )
        return Completion(tokens, text[:most], finish, usage)


def _failure(is_for_good: bool) -> EngineRefused | EngineUnavailable:
    if is_for_good:
        return EngineRefused("an engine of this scene must not be asked, by its manner; expect its calls to fail")
    return EngineUnavailable("an engine of this scene must be up, but its manner keeps it away; expect no answer")
