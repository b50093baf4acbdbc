"""A server is well while its engines make tokens: idle, failing, hanging and busy ones, and how often each is asked."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from image_serving import MIXTURE, search
from scripted import ScriptedEngine, ScriptedSpec
from serving import pipeline, serving, single

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Completion, Request
from ponder.orchestrator.engines.denoisers.mixture import Mixture, MixtureDenoiser
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.server.health import Health, State
from ponder.orchestrator.server.pulse import Pulse
from ponder.orchestrator.server.runs import Runs
from ponder.orchestrator.server.served import Models, by_name
from ponder.orchestrator.types import Query
from ponder.strategies import Hogwild

FRESH_S = 0.3
ASKED = Query.ask("Problem 3?")


@asynccontextmanager
async def watched(*pipelines: Pipeline, fresh_s: float = FRESH_S, limit_s: float = 0.2) -> AsyncIterator[Health]:
    models = Models(by_name(pipelines))
    health = Health(models, Runs(8), fresh_s, limit_s)
    await models.open()
    try:
        yield health
    finally:
        health.close()
        await models.close()


def behave(engine: ScriptedEngine, **how: object) -> None:
    engine.spec = engine.spec.model_copy(update=how)


async def test_a_server_is_starting_then_well_then_closing() -> None:
    models, runs = Models(by_name([single()])), Runs(8)
    health = Health(models, runs)
    assert await health.state() == State("starting")
    await models.open()
    assert (await health.state()).is_well
    runs.close()
    assert await health.state() == State("closing")
    await models.close()


async def test_an_idle_engine_is_asked_for_one_token_once_in_a_while() -> None:
    async with watched(single(engine=ScriptedSpec(name="idle", latency_s=0.02)), limit_s=5) as health:
        engine = ScriptedEngine.opened["idle"]
        assert await asyncio.gather(*(health.state() for _ in range(50))) == [State("well")] * 50
        [probe] = engine.requests
        assert (probe.sampling.max_tokens, probe.sampling.temperature) == (1, 0.0)
        assert (await health.state()).is_well and len(engine.requests) == 1
        await asyncio.sleep(FRESH_S + 0.05)
        assert (await health.state()).is_well and len(engine.requests) == 2


async def test_calls_that_go_well_spare_the_probe() -> None:
    model = single(engine=ScriptedSpec(name="asked"))
    async with watched(model, fresh_s=5) as health:
        await health._models["single"].run(model, ASKED, Budget(), 0)
        assert (await health.state()).is_well
        assert [request.prompt.messages for request in ScriptedEngine.opened["asked"].requests] == [ASKED.messages]


@pytest.mark.parametrize("how", [{"fault": "unavailable"}, {"fault": "crash"}, {"fault": "refused"}, {"text": ""}])
async def test_an_engine_that_gives_no_token_is_ill_until_it_does(how: dict[str, str]) -> None:
    async with watched(single(engine=ScriptedSpec(name="ill", **how)), limit_s=5) as health:
        engine = ScriptedEngine.opened["ill"]
        for _ in range(3):
            assert await health.state() == State("ill", ("generator",))
        assert len(engine.requests) == 1
        behave(engine, fault="", text="again")
        assert not (await health.state()).is_well, "nothing has shown that it works again"
        await asyncio.sleep(FRESH_S + 0.05)
        assert (await health.state()).is_well and len(engine.requests) == 2


async def test_an_idle_engine_that_hangs_is_ill_and_its_probe_is_cancelled() -> None:
    async with watched(single(engine=ScriptedSpec(name="hangs", latency_s=60)), fresh_s=5) as health:
        engine = ScriptedEngine.opened["hangs"]
        assert await asyncio.gather(health.state(), health.state()) == [State("ill", ("generator",))] * 2
        assert await health.state() == State("ill", ("generator",))
        assert (len(engine.requests), engine.cancelled, engine.in_flight) == (1, 1, 0)


async def test_an_engine_that_cannot_be_cancelled_has_one_probe_at_most() -> None:
    class Wedged(ScriptedEngine):
        freed = asyncio.Event()

        async def complete(self, request: Request) -> Completion:
            self.requests.append(request)
            while not self.freed.is_set():
                try:
                    await self.freed.wait()
                except asyncio.CancelledError:
                    continue
            return await super().complete(request)

    class WedgedSpec(ScriptedSpec):
        def open(self) -> ScriptedEngine:
            engines.append(Wedged(self))
            return engines[0]

    engines: list[Wedged] = []
    async with watched(single(engine=WedgedSpec()), fresh_s=0.1, limit_s=0.05) as health:
        found = []
        for _ in range(3):
            found.append(await health.state())
            await asyncio.sleep(0.1)
        engines[0].freed.set()
        assert found == [State("ill", ("generator",))] * 3
        assert len(engines[0].requests) == 1


async def test_an_engine_at_work_on_calls_as_long_as_those_before_is_well() -> None:
    class Serial(ScriptedEngine):
        async def complete(self, request: Request) -> Completion:
            async with turn:
                return await super().complete(request)

    class SerialSpec(ScriptedSpec):
        def open(self) -> ScriptedEngine:
            ScriptedEngine.opened[self.name] = Serial(self)
            return ScriptedEngine.opened[self.name]

    turn, model = asyncio.Lock(), single(engine=SerialSpec(name="serial", latency_s=0.3))
    async with watched(model, fresh_s=0.1, limit_s=0.05) as health:
        served, engine = health._models["single"], ScriptedEngine.opened["serial"]
        await served.run(model, ASKED, Budget(), 0)
        call = asyncio.create_task(served.run(model, ASKED, Budget(), 1))
        await asyncio.sleep(0.15)
        assert (await health.state()).is_well and len(engine.requests) == 2
        await call
        behave(engine, latency_s=60)
        call = asyncio.create_task(served.run(model, ASKED, Budget(), 2))
        await asyncio.sleep(0.7)
        assert await health.state() == State("ill", ("generator",)), "no call before it took so long"
        call.cancel()


async def test_a_denoiser_is_asked_for_one_evaluation_and_a_reward_model_for_nothing() -> None:
    async with watched(search("images"), limit_s=10) as health:
        assert (await health.state()).is_well
        generator, reward = health._models.pulses
        assert (generator.name, reward.name) == ("generator", "reward")
        assert generator.is_fresh(10) and not reward.is_fresh(10)
        for _ in range(2):
            with pytest.raises(EngineUnavailable):
                async with reward:
                    raise EngineUnavailable("http://10.0.0.9 is away")
        assert await health.state() == State("ill", ("reward",))
        await asyncio.sleep(FRESH_S + 0.05)
        assert (await health.state()).is_well, "it gets another chance, or nothing would ever be sent to it again"


async def test_a_reward_model_that_hangs_is_ill() -> None:
    async with watched(search("images"), limit_s=10) as health:
        _, reward = health._models.pulses
        async with reward:
            assert (await health.state()).is_well
            await asyncio.sleep(FRESH_S + 0.05)
            assert await health.state() == State("ill", ("reward",))
        assert (await health.state()).is_well


async def test_a_denoiser_whose_evaluations_are_not_finite_is_ill() -> None:
    class Blind(Mixture):
        def load(self) -> MixtureDenoiser:
            return BlindDenoiser(self)

    class BlindDenoiser(MixtureDenoiser):
        def velocity(self, *given: Any) -> Any:
            return super().velocity(*given) * math.nan

    async with watched(search("blind", denoiser=Blind(**MIXTURE.model_dump())), limit_s=10) as health:
        assert await health.state() == State("ill", ("generator",))


async def test_engines_of_one_name_are_told_apart() -> None:
    models = [single("a"), single("b", SimulatedSpec()), single("c", ScriptedSpec(fault="unavailable", name="c"))]
    async with watched(*models, limit_s=5) as health:
        assert await health.state() == State("ill", ("generator-2",))
        assert [pulse.name for pulse in health._models.pulses] == ["generator", "generator-2"]


async def test_a_pulse_holds_back_and_counts_what_is_in_flight() -> None:
    pulse, most = Pulse("it", ScriptedSpec().open(), 2), 0

    async def call() -> None:
        nonlocal most
        async with pulse:
            most = max(most, pulse.in_flight)
            await asyncio.sleep(0.001)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(call())
    assert (most, pulse.in_flight, pulse.is_fresh(5)) == (2, 0, True)


async def test_workers_that_share_a_cache_show_that_their_engine_works() -> None:
    model = pipeline("workers", Hogwild(chunk=8), engine=SimulatedSpec(latency_s=0.05))
    async with watched(model, fresh_s=5) as health:
        await health._models["workers"].run(model, ASKED, Budget(), 0)
        [pulse] = health._models.pulses
        assert pulse.is_fresh(0.04), "the first advance passed the gate long ago, the last one just now beside it"
        assert pulse.in_flight == 0


@pytest.mark.parametrize("error", [EngineRefused("not this"), asyncio.CancelledError()])
async def test_what_says_nothing_of_the_engine_is_not_held_against_it(error: BaseException) -> None:
    pulse = Pulse("it", ScriptedSpec().open(), 2)
    with pytest.raises(type(error)):
        async with pulse:
            raise error
    assert (pulse.in_flight, pulse.is_fresh(5), pulse.is_up(5)) == (0, False, True)


@pytest.mark.parametrize("faults", [Faults(unavailable=1.0), Faults(refused=1.0)])
def test_a_503_names_the_engine_and_no_more(faults: Faults) -> None:
    with serving([single(engine=SimulatedSpec(faults=faults))]) as server:
        response = httpx.get(f"{server.url}/health", timeout=20)
        assert (response.status_code, response.json()) == (503, {"status": "ill", "engines": ["generator"]})
