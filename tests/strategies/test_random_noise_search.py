"""Random search over noises: what it costs, that one noise is plain sampling, and that noise has an address."""

from dataclasses import replace

import numpy as np
import pytest
from blobs import BLOBS, ENGINES, QUERY, shown_as, values, world
from image_rewards import BRIGHT, COUNTED, rows_of

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.context import Context
from ponder.orchestrator.denoising import Flow, Passage
from ponder.orchestrator.engines.denoisers import Mixture
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.errors import BudgetExceeded
from ponder.orchestrator.images import Latent
from ponder.orchestrator.run import arun
from ponder.orchestrator.types import Query
from ponder.strategies import RandomNoiseSearch
from ponder.strategies.denoising import times

KNOBS = {"verifier": BRIGHT, "conditional": False}


async def test_one_noise_is_plain_sampling() -> None:
    async with world() as ctx:
        [image] = await RandomNoiseSearch(n=1, steps=5, **KNOBS).run(QUERY, [], ctx)
        noise = ctx.noise(QUERY, 1)[0]
        engine = DiffusionSpec(denoiser=BLOBS).open()
        passage = Passage(Latent.of(noise, 1.0), Flow(is_conditional=False), times=times(5), decodes=True)
        [plain] = await engine.denoise([passage])
        await engine.close()
        assert image.latent == plain.latent
        assert image.image == plain.image
        assert image.scores == {}


async def test_the_best_of_more_noises_is_no_worse() -> None:
    scores = []
    for n in (2, 3, 8, 20, 64):
        async with world() as ctx:
            found = await RandomNoiseSearch(n=n, **KNOBS).run(QUERY, [], ctx)
            told = [each.scores[BRIGHT.name].value for each in found]
            assert len(told) == n
            assert told == sorted(told, reverse=True)
            scores.append(told[0])
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


@pytest.mark.parametrize(
    ("knobs", "rows"),
    [
        ({}, 7 * 6),
        ({"solver": "heun"}, 7 * 11),
        ({"final_steps": 6}, 7 * 6),
        ({"final_steps": 9}, 7 * 6 + 9),
        ({"conditional": True, "guidance": 2.0}, 7 * 6 * 2),
    ],
)
async def test_rows_are_the_noises_times_the_steps(knobs, rows) -> None:
    async with world(COUNTED) as ctx:
        await RandomNoiseSearch(n=7, steps=6, **KNOBS | knobs).run(QUERY, [], ctx)
        assert rows_of(ctx) == ctx._run.ledger.spent.nfe == rows


async def test_the_image_made_anew_comes_first_with_its_own_score() -> None:
    async with world() as ctx:
        [again, best, *_] = await RandomNoiseSearch(n=4, final_steps=20, **KNOBS).run(QUERY, [], ctx)
        assert next(again.path()) == next(best.path())
        assert again.image.pixels == shown_as(again) != best.image.pixels
        assert again.scores[BRIGHT.name].value == again.image.array.mean(dtype=np.float64) / 255


async def test_noise_depends_on_seed_replicate_and_address_alone() -> None:
    async with world(seed=4) as ctx, world(seed=4) as again, world(seed=5) as other:
        many = ctx.noise(QUERY, 6)
        assert (again.noise(QUERY, 2) == many[:2]).all()
        assert (ctx.noise(QUERY, 6) == many).all()
        assert (ctx.child("x", "test").noise(QUERY, 6) == again.child("x", "test").noise(QUERY, 6)).all()
        others = [
            other.noise(QUERY, 6),
            Context(replace(ctx._run, replicate=1), "test").noise(QUERY, 6),
            ctx.child("x", "test").noise(QUERY, 6),
            ctx.noise(QUERY, 6, 1),
            ctx.noise(QUERY, 6, "1"),
            ctx.noise(Query.ask("another"), 6),
        ]
        assert not any(np.isclose(each, many).any() for each in others)


@pytest.mark.parametrize("batch", [1, 3, 4096])
async def test_an_image_does_not_depend_on_the_batch_that_it_is_made_in(batch) -> None:
    found = []
    for denoiser in (BLOBS, Mixture(**{**BLOBS.model_dump(), "batch": batch})):
        async with world(denoiser) as ctx:
            found.append(await RandomNoiseSearch(n=8, **KNOBS).run(QUERY, [], ctx))
    for one, other in zip(*found, strict=True):
        assert np.abs(values(one) - values(other)).max() < 1e-5


async def test_the_first_images_are_kept_where_the_budget_ends_it() -> None:
    search = RandomNoiseSearch(n=8, steps=6, verifier=BRIGHT, conditional=False)
    for nfe in (0, 5):
        with pytest.raises(BudgetExceeded, match="nfe"):
            await arun(search, QUERY, engines=ENGINES, budget=Budget(nfe=nfe))
    result = await arun(search, QUERY, engines=ENGINES, budget=Budget(nfe=29))
    assert (result.stopped, result.usage.nfe) == ("budget", 24)
    assert sorted(each.index for each in result.candidates) == [0, 1, 2, 3]
    assert all(each.latent.t == 0 and each.image.pixels == shown_as(each) for each in result.candidates)


async def test_room_is_kept_for_the_image_that_is_made_anew() -> None:
    """The search ends early enough: of 64 evaluations 16 are for the last image, and the others for 6 of 7 noises."""
    strategy = RandomNoiseSearch(n=7, steps=8, final_steps=16, **KNOBS)
    result = await arun(strategy, QUERY, engines=ENGINES, budget=Budget(nfe=64))
    assert (result.stopped, result.usage.nfe) == ("budget", 6 * 8 + 16)
    assert result.best.usage.nfe == 16
    with pytest.raises(BudgetExceeded, match="nfe"):
        await arun(strategy, QUERY, engines=ENGINES, budget=Budget(nfe=23))
