"""Whether the server can answer: its engines made something lately, or do when they are asked to.

A status of 200 says little: an engine can hang for hours behind a server that answers. So an engine of which no call
went well lately is probed: it is asked for one token, or one evaluation where it denoises.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Literal, cast

from ..denoising import Flow, Passage
from ..engine import DenoisingEngine, Engine, Prompt, Request, Sampling
from ..errors import EngineUnavailable
from ..images import Latent
from ..pipeline_engine import PipelineEngine
from ..types import Message
from .pulse import Pulse
from .refusal import LOGGER
from .runs import Runs
from .served import Models

FRESH_S = 30.0
LIMIT_S = 10.0
GREETING = Request(Prompt((Message(role="user", content="Hi"),)), Sampling(temperature=0.0, max_tokens=1), seed=0)


@dataclass(frozen=True, slots=True)
class State:
    """How the server stands.

    Args:
        status: only ``well`` takes requests that can be answered.
        engines: the names of those that are ill.
    """

    status: Literal["starting", "closing", "well", "ill"]
    engines: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        return self.status == "well"


@dataclass(frozen=True, slots=True)
class _Probe:
    task: asyncio.Task[None]
    began: float


class Health:
    """How the server and its engines stand.

    Engines that neither generate nor denoise stepwise are not probed: their last calls must tell.

    Args:
        models: whose engines are watched.
        runs: tells when the server closes.
        fresh_s: seconds that a call which went well speaks for its engine, and between two probes of one engine.
        limit_s: seconds that a probe may take.
    """

    def __init__(self, models: Models, runs: Runs, fresh_s: float = FRESH_S, limit_s: float = LIMIT_S) -> None:
        self._models = models
        self._runs = runs
        self._fresh_s = fresh_s
        self._limit_s = limit_s
        self._probes: dict[Pulse, _Probe] = {}

    async def state(self) -> State:
        """How the server stands, known in `limit_s` seconds at the latest; those who ask at once share a probe."""
        if self._runs.is_closing:
            return State("closing")
        if not self._models.is_ready:
            return State("starting")
        pulses = self._models.pulses
        found = await asyncio.gather(*(self._is_well(pulse) for pulse in pulses))
        ill = tuple(pulse.name for pulse, is_well in zip(pulses, found, strict=True) if not is_well)
        return State("ill", ill) if ill else State("well")

    def standing(self) -> list[tuple[str, int, bool]]:
        """Of each engine its name, the calls in flight, and whether it is up as far as is known; none is probed."""
        return [(pulse.name, pulse.in_flight, self._is_up(pulse)) for pulse in self._models.pulses]

    def close(self) -> None:
        """Stop the probes."""
        for probe in self._probes.values():
            probe.task.cancel()
        self._probes.clear()

    async def _is_well(self, pulse: Pulse) -> bool:
        if not pulse.is_fresh(self._fresh_s) and _can_be_probed(pulse.engine):
            await self._probe(pulse)
        return self._is_up(pulse)

    def _is_up(self, pulse: Pulse) -> bool:
        """Whether nothing that is known speaks against an engine; one that cannot be probed must not take too long."""
        is_late = pulse.in_flight > 0 and not pulse.is_at_work(self._fresh_s)
        return pulse.is_up(self._fresh_s) and (_can_be_probed(pulse.engine) or not is_late)

    async def _probe(self, pulse: Pulse) -> None:
        """Let the engine show that it works, unless it was asked to lately; await that for as long as it may take."""
        probe, now = self._probes.get(pulse), time.monotonic()
        if probe is None or (probe.task.done() and now - probe.began >= self._fresh_s):
            probe = self._probes[pulse] = _Probe(asyncio.create_task(self._probed(pulse)), now)
        _, late = await asyncio.wait([probe.task], timeout=max(0.0, probe.began + self._limit_s - now))
        if late:
            if not probe.task.cancelling():
                LOGGER.warning("engine %s was asked for one token and gave none in time", pulse.name)
            probe.task.cancel()
            if not pulse.is_at_work():
                pulse.ended(EngineUnavailable("no answer"), self._limit_s)

    async def _probed(self, pulse: Pulse) -> None:
        began, error = time.monotonic(), None
        try:
            await _work(pulse.engine)
        except Exception as caught:
            error = caught if isinstance(caught, EngineUnavailable) else EngineUnavailable(str(caught))
            LOGGER.warning("engine %s was asked for one token and gave none: %s", pulse.name, caught)
        pulse.ended(error, time.monotonic() - began)


def _can_be_probed(engine: Engine) -> bool:
    denoising = engine.capabilities.denoising
    return engine.capabilities.generate or (denoising is not None and denoising.is_stepwise)


async def _work(engine: Engine) -> None:
    """The least that an engine can do to show that it works; of one that is a pipeline, each of its engines does.

    Raises:
        EngineError: it cannot, or makes nothing.
    """
    if isinstance(engine, PipelineEngine):
        await asyncio.gather(*(_work(within) for within in engine.engines.values() if _can_be_probed(within)))
        return
    facts = engine.capabilities.denoising
    if facts is None:
        is_done = (await engine.complete(GREETING)).usage.completion_tokens > 0
    else:
        noise = Latent(1.0, facts.shape, bytes(4 * math.prod(facts.shape)))
        passage = Passage(noise, Flow(facts.interpolant, guidance=1.0, is_conditional=False), looks=True)
        (denoised,) = await cast(DenoisingEngine, engine).denoise([passage])
        is_done = denoised.latent is not None
    if not is_done:
        raise EngineUnavailable("it answered with nothing")
