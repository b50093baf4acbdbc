"""The diffusion engine: rows of all that is in flight go together, and each is paid, lost and stopped by itself."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from ponder.orchestrator.denoising import Denoised, Denoising, Flow, Passage
from ponder.orchestrator.engine import Prompt, Request, Sampling
from ponder.orchestrator.engines.denoisers import Condition, Mixture
from ponder.orchestrator.engines.denoisers.mixture import MixtureDenoiser
from ponder.orchestrator.engines.diffusion import DiffusionEngine, DiffusionSpec
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable
from ponder.orchestrator.images import Latent
from ponder.orchestrator.interpolants import LINEAR, VP
from ponder.orchestrator.types import Message, Usage

MEANS = tuple(tuple(map(float, row)) for row in np.random.default_rng(0).uniform(-0.8, 0.8, (3, 4)))
SHAPE = (2, 2, 1)
NOISE = np.random.default_rng(1).standard_normal((12, *SHAPE), np.float32)


class Moody(Mixture):
    """A mixture that keeps its rows in mind, and fails by what it is asked to show."""

    kind: Literal["moody"] = "moody"
    has_own: bool = False
    is_stepwise: bool = True

    def load(self) -> "MoodyDenoiser":
        return MoodyDenoiser(self)


class MoodyDenoiser(MixtureDenoiser):
    def __init__(self, spec: Moody) -> None:
        super().__init__(spec)
        self.batches: list[list[float]] = []
        self.is_asked, self.open = threading.Event(), threading.Event()
        self.open.set()

    @property
    def facts(self) -> Denoising:
        has_own, is_stepwise = self.spec.has_own, self.spec.is_stepwise
        return super().facts.model_copy(update={"has_own": has_own, "is_stepwise": is_stepwise})

    def velocity(self, x, t, conditions: Sequence[Condition]):
        self.is_asked.set()
        assert self.open.wait(10)
        self.batches.append(t.tolist())
        said = {condition.prompt for condition in conditions}
        if "break" in said:
            raise ZeroDivisionError("no such thing")
        if "away" in said:
            raise EngineUnavailable("the model is away; ask again")
        found = super().velocity(x, t, conditions)
        return found.reshape(len(x), -1) if "flat" in said else found

    def own(self, x, steps: int, conditions: Sequence[Condition]):
        self.batches.append([float(steps)] * len(x))
        return x * 0.5


@asynccontextmanager
async def opened(**knobs: Any) -> AsyncIterator[DiffusionEngine]:
    prices = {key: knobs.pop(key) for key in ("row_seconds", "decode_seconds", "row_price") if key in knobs}
    spec = Moody(**{"means": MEANS, "variance": 0.05, "shape": SHAPE} | knobs)
    engine = DiffusionSpec(denoiser=spec, **prices).open()
    await engine.start()
    try:
        yield engine
    finally:
        engine.model.open.set()
        await engine.close()


def passages(rows: slice, times=(0.5, 0.0), prompt: str = "", flow: Flow = Flow(), **knobs) -> list[Passage]:
    return [Passage(Latent.of(x, 1.0), flow, prompt, times, **knobs) for x in NOISE[rows]]


def near(found: list[Denoised], expected: list[Denoised]) -> bool:
    return all(
        np.allclose(one.latent.array, other.latent.array, rtol=0, atol=1e-5)
        for one, other in zip(found, expected, strict=True)
    )


async def test_rows_of_concurrent_queries_are_evaluated_together() -> None:
    """Whatever their times, prompts and lengths; one that ends leaves the others."""
    asked = [
        passages(slice(0, 2), (0.75, 0.5, 0.25, 0.0)),
        passages(slice(2, 5), (0.5, 0.0), "draw a 1"),
        passages(slice(5, 9), (0.9, 0.8), "2", Flow(interpolant=VP, guidance=2.0), looks=True, decodes=True),
    ]
    async with opened() as engine:
        found = await asyncio.gather(*[engine.denoise(each) for each in asked])
        together = [sorted(batch, reverse=True) for batch in engine.model.batches]
        alone = [await engine.denoise(each) for each in asked]
    assert [len(batch) for batch in together] == [9, 9, 6, 2]
    assert together[0] == [1.0] * 5 + together[0][5:]
    assert together[3] == [0.25] * 2
    assert all(near(one, other) for one, other in zip(found, alone, strict=True))
    assert [len(each) for each in found] == [2, 3, 4]


async def test_passages_of_one_call_need_not_be_alike_and_come_back_in_order() -> None:
    mixed = [
        *passages(slice(0, 1), (0.0,)),
        *passages(slice(1, 2), (0.5, 0.0), "1", decodes=True),
        *passages(slice(2, 3), (0.0,)),
        *passages(slice(3, 4), (0.25,), flow=Flow(solver="heun"), looks=True),
    ]
    async with opened() as engine:
        found = await engine.denoise(mixed)
        alone = [(await engine.denoise([each]))[0] for each in mixed]
    assert near(found, alone)
    assert [each.latent.t for each in found] == [0.0, 0.0, 0.0, 0.25]
    assert [each.image is not None for each in found] == [False, True, False, False]
    assert [bool(each.latent.velocity) for each in found] == [False, False, False, True]


async def test_a_batch_holds_no_more_rows_than_the_denoiser_takes() -> None:
    async with opened(batch=4) as engine:
        asked = [passages(slice(0, 2), (0.0,)), passages(slice(2, 4), (0.0,)), passages(slice(4, 6), (0.0,))]
        found = await asyncio.gather(*[engine.denoise(each) for each in asked])
        assert [len(batch) for batch in engine.model.batches] == [4, 2]
        many = await engine.denoise(passages(slice(0, 10), (0.0,)))
        assert [len(batch) for batch in engine.model.batches[2:]] == [4, 4, 2]
    assert near([each for group in found for each in group], many[:6])


async def test_a_walk_that_does_not_fit_waits_for_the_next_batch() -> None:
    async with opened(batch=4) as engine:
        await asyncio.gather(*[engine.denoise(passages(slice(i, i + 3), (0.0,))) for i in (0, 3)])
        assert [len(batch) for batch in engine.model.batches] == [3, 3]


async def test_who_asks_again_at_once_comes_into_the_next_batch() -> None:
    """One in steps of a call each, beside one that goes all the way by one call."""

    async def stepwise(engine: DiffusionEngine) -> None:
        [at] = await engine.denoise(passages(slice(0, 1), (0.75,)))
        for to in (0.5, 0.25, 0.0):
            [at] = await engine.denoise([Passage(at.latent, Flow(), "", (to,))])

    async with opened() as engine:
        whole = engine.denoise(passages(slice(1, 2), (0.75, 0.5, 0.25, 0.0)))
        await asyncio.gather(whole, stepwise(engine))
        assert engine.model.batches == [[1.0] * 2, [0.75] * 2, [0.5] * 2, [0.25] * 2]


@pytest.mark.parametrize(
    ("prompt", "error", "message"),
    [
        ("break", EngineRefused, "raised ZeroDivisionError: no such thing"),
        ("away", EngineUnavailable, "ask again"),
        ("draw a 7", EngineRefused, "from 0 to 2"),
        ("flat", EngineRefused, r"must tell a velocity of shape \(2, 2, 1\) a row, but told"),
    ],
)
async def test_who_breaks_a_batch_breaks_alone(prompt, error, message) -> None:
    """Those that were evaluated with it come to their end, and the engine goes on."""
    async with opened() as engine:
        bad = engine.denoise(passages(slice(0, 2), prompt=prompt))
        good = engine.denoise(passages(slice(2, 5), prompt="1"))
        later = engine.denoise(passages(slice(5, 6), (0.75, 0.5, 0.25, 0.0)))
        broken, found, more = await asyncio.gather(bad, good, later, return_exceptions=True)
        assert isinstance(broken, error)
        with pytest.raises(error, match=message):
            raise broken
        assert near(found, await engine.denoise(passages(slice(2, 5), prompt="1")))
        assert near(more, await engine.denoise(passages(slice(5, 6), (0.75, 0.5, 0.25, 0.0))))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
async def test_a_latent_that_is_no_number_is_lost_alone(value) -> None:
    asked = passages(slice(0, 3), decodes=True)
    spoiled = NOISE[1].copy()
    spoiled[0, 1] = value
    asked[1] = replace(asked[1], latent=Latent.of(spoiled, 1.0))
    async with opened() as engine:
        found = await engine.denoise(asked)
        expected = await engine.denoise(passages(slice(0, 3), decodes=True))
    assert (found[1].latent, found[1].image) == (None, None)
    assert "NaN or infinity" in found[1].lost
    assert found[1].usage.nfe == 2
    assert near([found[0], found[2]], [expected[0], expected[2]])
    assert (found[0].image, found[2].image) == (expected[0].image, expected[2].image)


async def test_a_latent_of_another_shape_is_refused_before_anything_is_evaluated() -> None:
    async with opened() as engine:
        other = Passage(Latent.of(np.zeros((2, 3, 1), np.float32), 1.0), Flow(), "", (0.0,))
        with pytest.raises(EngineRefused, match=r"shape \(2, 2, 1\) of the denoiser's, got \(2, 3, 1\)"):
            await engine.denoise([*passages(slice(0, 2)), other])
        assert engine.model.batches == []


async def test_its_own_sampler_goes_the_whole_way() -> None:
    own = Flow(solver="own")
    async with opened(has_own=True, batch=4) as engine:
        found = await engine.denoise(passages(slice(0, 6), (0.75, 0.5, 0.25, 0.0), flow=own, decodes=True))
        assert engine.model.batches == [[4.0] * 4, [4.0] * 2]
        assert engine.model.decode(NOISE[:6] * 0.5).tobytes() == b"".join(each.image.pixels for each in found)
    assert [each.latent for each in found] == [Latent.of(x * 0.5, 0.0) for x in NOISE[:6]]
    assert [each.usage.nfe for each in found] == [4] * 6


@pytest.mark.parametrize(
    "passage",
    [
        Passage(Latent.of(NOISE[0], 1.0), Flow(solver="own"), "", (0.5,)),
        Passage(Latent.of(NOISE[0], 0.5), Flow(solver="own"), "", (0.0,)),
        Passage(Latent.of(NOISE[0], 1.0), Flow(solver="own"), "", (0.0,), looks=True),
    ],
    ids=["not to the end", "not from noise", "looking"],
)
async def test_its_own_sampler_goes_no_part_of_the_way(passage) -> None:
    async with opened(has_own=True) as engine:
        with pytest.raises(EngineRefused, match="from time 1 to time 0"):
            await engine.denoise([passage])


async def test_what_a_denoiser_cannot_do_is_refused() -> None:
    async with opened() as engine:
        with pytest.raises(EngineRefused, match="has a sampler of its own"):
            await engine.denoise(passages(slice(0, 1), (0.0,), flow=Flow(solver="own")))
    async with opened(has_own=True, is_stepwise=False) as engine:
        with pytest.raises(EngineRefused, match="use solver 'own'"):
            await engine.denoise(passages(slice(0, 1), (0.0,)))


async def test_what_is_cancelled_is_not_evaluated_further() -> None:
    """The other in its batch goes on."""
    async with opened() as engine:
        model = engine.model
        model.open.clear()
        times = tuple(1 - k / 8 for k in range(1, 9))
        unlike = [*passages(slice(0, 2), times), *passages(slice(2, 3), times[1:])]
        long = asyncio.create_task(engine.denoise(unlike))
        short = asyncio.create_task(engine.denoise(passages(slice(3, 5), (0.5, 0.0))))
        await asyncio.to_thread(model.is_asked.wait, 10)
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        model.open.set()
        found = await short
        assert [len(batch) for batch in model.batches] == [5, 2]
        assert near(found, await engine.denoise(passages(slice(3, 5), (0.5, 0.0))))


async def test_closing_stops_what_is_being_computed() -> None:
    """Who waits is told; nothing more is evaluated, nor asked."""
    async with opened() as engine:
        engine.model.open.clear()
        waiting = [asyncio.create_task(engine.denoise(passages(slice(i, i + 2)))) for i in (0, 2)]
        await asyncio.to_thread(engine.model.is_asked.wait, 10)
        closing = asyncio.create_task(engine.close())
        await asyncio.sleep(0)
        engine.model.open.set()
        await closing
        for each in waiting:
            with pytest.raises(EngineRefused, match="must be open to denoise, but was closed"):
                await each
        assert len(engine.model.batches) == 1
        with pytest.raises(EngineRefused):
            await engine.denoise(passages(slice(0, 2)))


async def test_each_passage_pays_for_its_rows_and_its_image() -> None:
    knobs = {"row_seconds": 0.5, "decode_seconds": 0.25, "row_price": 2.0}
    async with opened(**knobs) as engine:
        [plain, *_] = await engine.denoise(passages(slice(0, 3)))
        [guided] = await engine.denoise(passages(slice(0, 1), prompt="1", flow=Flow(guidance=3.0), decodes=True))
        [heun] = await engine.denoise(passages(slice(0, 1), (0.5, 0.25), flow=Flow(solver="heun"), looks=True))
        flops = engine.model.row_flops
        assert engine.meter.denoising(4, 1) == guided.usage
    assert (plain.usage.nfe, guided.usage.nfe, heun.usage.nfe) == (2, 4, 5)
    assert (plain.usage.flops, guided.usage.flops) == (2 * flops, 4 * flops)
    assert (plain.usage.compute_ns, guided.usage.compute_ns) == (10**9, 2 * 10**9 + 250_000_000)
    assert (plain.usage.nano_usd, guided.usage.nano_usd) == (4000, 8000)


async def test_the_image_is_of_the_data_expected_where_it_ends() -> None:
    async with opened() as engine:
        [seen] = await engine.denoise(passages(slice(0, 1), (0.5,), looks=True, decodes=True))
        latent = seen.latent
        data = LINEAR.data(latent.array, latent.slope, 0.5)
        assert seen.image.pixels == engine.model.decode(data[None])[0].tobytes()
        [again] = await engine.denoise([Passage(latent, Flow(), "", (), looks=True, decodes=True)])
        assert again == replace(seen, usage=Usage(calls=1))


async def test_it_neither_writes_nor_reads() -> None:
    async with opened() as engine:
        prompt = Prompt((Message(role="user", content="a"),))
        assert await engine.count(prompt) == 0
        assert await engine.encode("a") == ()
        for work in (engine.complete(Request(prompt, Sampling(), 0)), engine.read(prompt)):
            with pytest.raises(EngineRefused, match="makes images"):
                await work
