"""Latents are denoised many at once, and each is paid for, set aside for, and lost by itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from image_stage import JUDGE, ImageStage

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.denoising import Denoised, Flow, Passage
from ponder.orchestrator.engines.diffusion import DiffusionEngine
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.images import Latent
from ponder.orchestrator.passing import Move
from ponder.orchestrator.run import arun
from ponder.orchestrator.types import Finish, Usage
from ponder.strategies import RandomNoiseSearch
from ponder.testing.image_world import PICTURE, denoising, looking
from ponder.testing.watched_calls import Manner

ONE = Usage(calls=1, nfe=2, flops=240, nano_usd=8000, compute_ns=7000)
"""A passage of two steps to an image, by the meter of the scene's denoiser."""
LOOK = Usage(verifier_calls=1, flops=60, nano_usd=5000, compute_ns=2000)


async def test_each_is_made_in_its_order_and_paid_for() -> None:
    stage = ImageStage()
    made = await stage.ctx.denoise(stage.ask(5))
    assert [(each.index, each.latent.t, each.finish, each.usage) for each in made] == [
        (i, 0.0, Finish.EOS, ONE) for i in range(5)
    ]
    assert len({each.image for each in made}) == 5
    assert stage.ledger.spent == stage.account.spent == stage.seen.served == ONE.times(5)
    assert stage.ledger.outstanding == 0


async def test_a_wider_search_begins_with_the_same_images_at_no_cost() -> None:
    stage = ImageStage()
    few = await stage.ctx.denoise(stage.ask(2))
    many = await stage.ctx.denoise(stage.ask(4))
    assert [each.image for each in many[:2]] == [each.image for each in few]
    assert stage.account.spent == stage.ledger.spent == ONE.times(4)


async def test_they_come_in_calls_of_the_denoisers_batch() -> None:
    stage = ImageStage(batch=2)
    whole, parts = await ImageStage().ctx.denoise(stage.ask(5)), await stage.ctx.denoise(stage.ask(5))
    assert [each.image for each in parts] == [each.image for each in whole]
    assert stage.ledger.spent == ONE.times(5)


@pytest.mark.parametrize(
    ("budget", "served"),
    [
        (Budget(nfe=7), 3),
        (Budget(calls=2), 2),
        (Budget(flops=240 * 4), 4),
        (Budget(cost_usd=24_999e-9), 3),
        (Budget(compute_seconds=28e-6), 4),
        (Budget(nfe=1), 0),
    ],
)
@pytest.mark.parametrize("batch", [1, 256])
async def test_the_first_are_served_where_the_budget_ends(budget: Budget, served: int, batch: int) -> None:
    stage = ImageStage(budget, batch=batch)
    made = await stage.ctx.denoise(stage.ask(5))
    assert [each is not None for each in made] == [i < served for i in range(5)]
    assert (stage.ledger.spent, stage.seen.served) == (ONE.times(served), ONE.times(served))
    assert (stage.run.stopped, stage.run.failures, stage.ledger.outstanding) == ("budget", 0, 0)


async def test_room_for_judging_is_set_aside_with_each_and_used() -> None:
    """Of 5, judged by one look each, 3 fit with their looks; none of that room is used for a fourth."""
    stage = ImageStage(Budget(flops=3 * (240 + 60) + 250))
    made = [each for each in await stage.ctx.denoise(stage.ask(5, then=JUDGE)) if each]
    assert len(made) == 3
    assert stage.ledger.spent == ONE.times(3)
    assert (stage.ledger.outstanding, stage.ledger.room().flops) == (1, 250)
    judged = await stage.ctx.score(PICTURE, made[1:2], JUDGE)
    assert stage.ledger.spent == ONE.times(3) + LOOK
    assert (stage.ledger.outstanding, stage.ledger.room().flops) == (1, 250)
    judged += await stage.ctx.score(PICTURE, [made[0], made[2]], JUDGE)
    assert all(each.scores[JUDGE.name].value is not None for each in judged)
    assert stage.ledger.spent == ONE.times(3) + LOOK.times(3)
    assert (stage.ledger.outstanding, stage.ledger.room().flops) == (0, 250)


async def test_room_is_left_for_one_to_come_to_its_end() -> None:
    stage = ImageStage(Budget(nfe=6))
    leaving = stage.ctx.ending(Flow(), 3, JUDGE)
    assert leaving == Usage(calls=1, nfe=3, flops=360, nano_usd=12000, compute_ns=10000) + LOOK
    made = await stage.ctx.denoise(stage.ask(5, steps=1, leaving=leaving))
    assert [each is not None for each in made] == [True, True, True, False, False]
    assert (stage.ledger.room().nfe, stage.ledger.outstanding) == (3, 0)


async def test_what_is_lost_costs_itself_alone_and_keeps_no_room() -> None:
    stage = ImageStage(Budget(verifier_calls=9), manner=Manner(loses=range(1, 3)))
    made = await stage.ctx.denoise(stage.ask(4, then=JUDGE))
    assert [each is not None for each in made] == [True, False, False, True]
    assert [each.index for each in made if each] == [0, 3]
    assert (stage.run.failures, "must stay finite" in stage.run.reason) == (2, True)
    assert (stage.ledger.spent, stage.ledger.room().verifier_calls) == (ONE.times(4), 7)
    stage.run.release_kept()
    assert (stage.ledger.outstanding, stage.ledger.room().verifier_calls) == (0, 9)


async def test_a_call_that_is_refused_loses_all_of_its_parts_and_is_charged_for_them() -> None:
    stage = ImageStage(manner=Manner(fails="drawing"))
    assert await stage.ctx.denoise(stage.ask(3, then=JUDGE)) == [None] * 3
    assert (stage.run.failures, stage.run.is_cut) == (3, False)
    assert stage.ledger.spent == stage.account.spent == ONE.times(3)
    assert stage.ledger.outstanding == 0


async def test_an_engine_that_is_away_at_no_cost_is_not_charged() -> None:
    stage = ImageStage(faults=Faults(unavailable=1.0, unavailable_is_free=True))
    assert await stage.ctx.denoise(stage.ask(3)) == [None] * 3
    assert (stage.run.is_cut, stage.ledger.spent, stage.account.spent) == (True, Usage(), Usage())


async def test_an_engine_that_is_back_in_time_loses_nothing() -> None:
    stage = ImageStage(faults=Faults(unavailable=0.5, seed=2))
    made = await stage.ctx.denoise(stage.ask(4))
    assert None not in made
    assert stage.ledger.spent == ONE.times(4)
    assert stage.account.spent.nfe % ONE.nfe == 0
    assert stage.account.spent.nfe >= ONE.times(4).nfe


async def test_an_engine_that_overruns_is_not_believed() -> None:
    stage = ImageStage(faults=Faults(overrun=1.0))
    assert await stage.ctx.denoise(stage.ask(2)) == [None, None]
    assert "'nfe': 3" in stage.run.reason
    assert stage.ledger.spent == ONE.times(2)


class GivesHalf(DiffusionEngine):
    """A denoiser that forgets the second half of what it was asked."""

    async def denoise(self, passages: Sequence[Passage]) -> list[Denoised]:
        return (await super().denoise(passages))[: len(passages) // 2]


async def test_an_engine_that_gives_too_few_is_refused() -> None:
    stage = ImageStage()
    engine = stage.engines["generator"] = GivesHalf(denoising())
    assert await stage.ctx.denoise(stage.ask(4)) == [None] * 4
    assert "must give 4 parts, got 2" in stage.run.reason
    await engine.close()


async def test_moves_that_are_the_same_are_made_and_charged_once() -> None:
    stage = ImageStage()
    ask = stage.ask(2)
    made = await stage.ctx.denoise(replace(ask, moves=[*ask.moves, *ask.moves]))
    assert [each.index for each in made] == [0, 1, 2, 3]
    assert [each.image for each in made[:2]] == [each.image for each in made[2:]]
    assert stage.ledger.spent == stage.account.spent == ONE.times(2)


async def test_equal_passages_at_once_elsewhere_in_the_pipeline_are_charged_once() -> None:
    stage = ImageStage()
    ask = stage.ask(3)
    one, other = await asyncio.gather(*(stage.ctx.child(name, "test").denoise(ask) for name in "ab"))
    assert [each.image for each in one] == [each.image for each in other]
    assert stage.ledger.spent == stage.account.spent == ONE.times(3)


async def test_what_was_sent_and_nothing_else_is_charged_when_it_is_cancelled() -> None:
    stage = ImageStage(Budget(nfe=100), manner=Manner(serves=0))
    work = asyncio.create_task(stage.ctx.denoise(stage.ask(3, then=JUDGE, leaving=Usage(nfe=50))))
    while not stage.seen.active:
        await asyncio.sleep(0)
    assert stage.ledger.room().nfe == 100 - 3 * ONE.nfe - 50
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert stage.ledger.spent == stage.account.spent == ONE.times(3)
    assert stage.ledger.outstanding == 0


async def test_what_is_not_made_in_time_is_lost_and_charged() -> None:
    stage = ImageStage(Budget(seconds=0.02), manner=Manner(serves=0))
    assert await stage.ctx.denoise(stage.ask(2, leaving=Usage(nfe=50))) == [None, None]
    assert (stage.run.stopped, stage.ledger.spent, stage.ledger.outstanding) == ("deadline", ONE.times(2), 0)


async def test_no_moves_are_no_call() -> None:
    stage = ImageStage()
    assert await stage.ctx.denoise(stage.ask(1, moves=[])) == []
    assert stage.seen.calls == 0


async def test_moves_of_different_cost_must_be_made_apart() -> None:
    stage = ImageStage()
    latent = Latent.of(stage.ctx.noise(PICTURE, 1)[0], 1.0)
    ask = stage.ask(1, moves=[Move(latent, (0.5, 0.0)), Move(latent, (0.0,))])
    with pytest.raises(UsageError, match="must be evaluated equally often"):
        await stage.ctx.denoise(ask)


async def test_an_engine_of_texts_is_refused() -> None:
    stage = ImageStage()
    with pytest.raises(UsageError, match=r"engine 'reward' must denoise, but .* use one of kind 'diffusion'"):
        await stage.ctx.denoise(stage.ask(1, engine="reward"))


@pytest.mark.parametrize(("seconds", "images"), [(9e-6, 1), (27.9e-6, 3), (1.0, 4)])
async def test_seconds_of_computing_are_a_budget_from_end_to_end(seconds: float, images: int) -> None:
    """Two rows, an image and a look take 9 microseconds, by what the engines say of themselves."""
    engines = {"generator": denoising(), "reward": looking(1)}
    search = RandomNoiseSearch(n=4, steps=2, verifier=JUDGE)
    budget = Budget(compute_seconds=seconds)
    result = await arun(search, PICTURE, engines=engines, budget=budget)
    assert (len(result.candidates), result.usage.compute_ns) == (images, 9_000 * images)
    assert result.stopped == ("done" if images == 4 else "budget")
    assert images == 4 or result.reason == (
        "compute_seconds: the next call may need 9e-06, more than is left; raise the budget's compute_seconds"
    )
