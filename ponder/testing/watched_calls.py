"""What the engines of a scene are seen doing, and how they are made to behave badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from ..orchestrator.canonical import digest
from ..orchestrator.engine import Sampling
from ..orchestrator.engines.simulated_faults import nameless
from ..orchestrator.engines.simulated_tree import uniform
from ..orchestrator.errors import EngineRefused, EngineUnavailable
from ..orchestrator.images import Image
from ..orchestrator.types import Message, Query, Usage
from .scripted_judge import ScriptedJudge
from .waves import Waves

MOST_PAUSE = 12
Work = Literal["drawing", "judging"]


@dataclass(frozen=True, slots=True)
class Manner:
    """How all engines of a scene behave.

    Args:
        pause: turns of the event loop that a call takes.
        shuffle: chooses up to 12 turns more for each call, so that calls end in another order; None for none.
        serves: calls that are answered; later ones hang. None answers all.
        loses: the numbers of the calls that are refused for good, counted from 0; of a call for several images, which
            count each, the parts that are lost.
        fails: the calls that fail: those for text and latents, or those that judge (readings, labels, looks and what
            judges write).
        refuses: whether a failing call is refused for good, or the engine is unavailable.
        deaf_to: a text that the engines do not hear in a message; draws then depend on nothing but what they hear.
        judge: how they reply to prompts that are not the query itself; None replies as the model does.
        says: what they write when a verifier asks, told by the prompt; a label it begins with is the likely one. None
            writes as the model does.
        reads: the rows that a reward model reads in a response, told by its text; None reads as the model does.
        sees: what a reward model tells of an image; None tells as the model does.
        breaks: what they compute that is no number: latents, or judgements.
        in_waves: whether calls are answered together, once no more come.
    """

    pause: int = 0
    shuffle: int | None = None
    serves: int | None = None
    loses: range = range(0)
    fails: Work | None = None
    refuses: bool = True
    deaf_to: str = ""
    judge: ScriptedJudge | None = None
    says: Callable[[str], str] | None = None
    reads: Callable[[str], Sequence[Sequence[float]]] | None = None
    sees: Callable[[Image], Sequence[float]] | None = None
    breaks: Work | None = None
    in_waves: bool = False


@dataclass(slots=True)
class Seen:
    """What the engines of one run were seen doing.

    Args:
        query: what the run is asked.
        served: what the answered calls cost by the engines' own count.
        calls: calls begun, of several images each.
        active: calls in flight.
        attempts: answers given to the query itself, in full or in part; of images, whole ones.
        prompts: every conversation that text or a latent was asked for.
        answered: how often one was given.
        judging: every conversation that a verifier's call was about.
        written: how many of these calls asked for words.
        engines: the names of the engines that were asked.
        waves: how many waves their calls came in, where they are answered so.
        ends: the times that latents were brought to.
        samplings: how text was to be drawn, call after call, judges' aside.
    """

    query: Query
    served: Usage = Usage()
    calls: int = 0
    active: int = 0
    attempts: int = 0
    prompts: list[tuple[Message, ...]] = field(default_factory=list)
    answered: int = 0
    judging: list[tuple[Message, ...]] = field(default_factory=list)
    written: int = 0
    engines: set[str] = field(default_factory=set)
    waves: Waves = field(default_factory=Waves)
    ends: set[float] = field(default_factory=set)
    samplings: list[Sampling] = field(default_factory=list)


class Watched:
    """Watches the calls of one engine, and makes them behave as their scene has it.

    Args:
        manner: how.
        seen: told what they do.
        name: the engine's.
    """

    def __init__(self, manner: Manner, seen: Seen, name: str) -> None:
        self.manner = manner
        self.seen = seen
        self._name = name

    @asynccontextmanager
    async def call(self, asked: object, work: Work, parts: int = 1) -> AsyncIterator[frozenset[int]]:
        """While a call of some parts is answered: the places of those that are lost, where it has several.

        Raises:
            EngineRefused: it fails, by the manner of its scene.
            EngineUnavailable: likewise.
        """
        manner, seen = self.manner, self.seen
        number, seen.calls = seen.calls, seen.calls + parts
        seen.active += 1
        seen.engines.add(self._name)
        try:
            for _ in range(manner.pause + self._extra(asked)):
                await asyncio.sleep(0)
            if manner.in_waves:
                await seen.waves.passed()
            if manner.serves is not None and number + parts > manner.serves:
                await asyncio.Event().wait()
            lost = frozenset(place for place in range(parts) if number + place in manner.loses)
            if work == manner.fails or len(lost) == parts:
                raise _failure(manner.refuses)
            yield lost
        finally:
            seen.active -= 1

    def _extra(self, asked: object) -> int:
        if self.manner.shuffle is None:
            return 0
        return int(uniform(digest("pause", self.manner.shuffle, nameless(asked)), "pause") * (MOST_PAUSE + 1))


def _failure(is_for_good: bool) -> EngineRefused | EngineUnavailable:
    if is_for_good:
        return EngineRefused("an engine of this scene must not be asked, by its manner; expect its calls to fail")
    return EngineUnavailable("an engine of this scene must be up, but its manner keeps it away; expect no answer")
