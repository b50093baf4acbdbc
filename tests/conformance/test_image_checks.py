"""Each check fails for a strategy of images that breaks what it checks."""

import asyncio

import numpy as np
import pytest

from ponder.orchestrator.denoising import Passage
from ponder.orchestrator.images import Latent
from ponder.orchestrator.passing import Denoise, Move
from ponder.orchestrator.types import Candidate, Finish, Usage
from ponder.strategies import SVDD, RandomNoiseSearch
from ponder.strategies.denoising import times
from ponder.testing import (
    draws_by_its_seed,
    ignores_order_of_arrival,
    is_estimated,
    keeps_to_its_critical_path,
    keeps_what_survives,
    leaves_nothing_behind,
    never_overspends,
    resumes_from_any_row,
    returns_whole_images,
    survives_dead_engines,
    survives_engine_faults,
    survives_failing_verifiers,
    usage_is_what_was_paid,
)
from ponder.verifiers import ClassLogprob

KNOBS = {"n": 2, "steps": 2, "verifier": ClassLogprob()}


class Broken(RandomNoiseSearch):
    """A sound search over noises; each subclass breaks one thing."""

    kind: str = "broken"

    async def made(self, query, ctx, noises=None):
        """Images, the best first."""
        noises = self.noises(query, ctx, self.n) if noises is None else noises
        return await self.whole(query, ctx, noises, self.verifier)


class Stepwise(SVDD):
    """A sound stepwise search; each subclass breaks one thing."""

    kind: str = "stepwise"


class ReturnsWhatItHas(Stepwise):
    """Calls the best state an image when the budget ends the search."""

    async def chosen(self, found, states, ctx):
        return [node.state for node in found.ended] or [
            node.state.with_finish(Finish.EOS) for node in found.unfinished[:1]
        ]


class StopsHalfWay(Stepwise):
    async def chosen(self, found, states, ctx):
        return [each.state.parent.with_finish(Finish.EOS) for each in found.ended]


class KeepsNoImage(Broken):
    async def run(self, query, candidates, ctx):
        moves = [Move(each.latent, times(self.steps), each) for each in self.noises(query, ctx, self.n)]
        return [each for each in await ctx.denoise(Denoise(query, self.flow(), moves, decodes=False)) if each]


class DenoisesPastTheLedger(Broken):
    async def run(self, query, candidates, ctx):
        (noise, *_) = self.noises(query, ctx, 1)
        passage = Passage(noise.latent, self.flow(), "3", (0.0,), decodes=True)
        (past,) = await ctx._run.engines["generator"].denoise([passage])
        drawn = await super().run(query, candidates, ctx)
        return [*drawn, Candidate((), "", Finish.EOS, noise, 99, latent=past.latent, image=past.image)]


class WantsAllOrNothing(Broken):
    async def run(self, query, candidates, ctx):
        drawn = await self.made(query, ctx)
        return drawn if len(drawn) == self.n else []


class LeavesNoRoom(Stepwise):
    """Spends on proposals what one of them would need to come to its end."""

    async def run(self, query, candidates, ctx):
        ctx.ending = lambda *_: Usage()
        return await super().run(query, candidates, ctx)


class PlansForOne(Broken):
    def infer(self, shape, plan):
        return self.plan_whole(plan, 1, self.verifier)


class PlansForMore(Broken):
    def infer(self, shape, plan):
        return self.plan_whole(plan, self.n + 1, self.verifier)


class MakesOneByOne(Broken):
    async def run(self, query, candidates, ctx):
        return [each for noise in self.noises(query, ctx, self.n) for each in await self.made(query, ctx, [noise])]


class TakesTheFirstToArrive(Broken):
    async def run(self, query, candidates, ctx):
        async def one(noise, i):
            return await self.whole(query, ctx.child(str(i), self.kind), [noise], None)

        noises = enumerate(self.noises(query, ctx, self.n))
        ended = asyncio.as_completed([asyncio.create_task(one(noise, i)) for i, noise in noises])
        return [each for arrived in ended for each in await arrived]


class BeginsWithTheSame(Broken):
    def noises(self, query, ctx, count, *address):
        blank = Latent.of(np.ones(ctx.denoising().shape), 1.0)
        return [Candidate((), "", Finish.STEP, None, i, latent=blank) for i in range(count)]


class BeginsWithChance(Broken):
    def noises(self, query, ctx, count, *address):
        drawn = np.random.default_rng().standard_normal((count, *ctx.denoising().shape), np.float32)
        return [Candidate((), "", Finish.STEP, None, i, latent=Latent.of(x, 1.0)) for i, x in enumerate(drawn)]


class MakesUpAnImage(Broken):
    async def run(self, query, candidates, ctx):
        blank = Latent.of(np.zeros(ctx.denoising().shape), 0.0)
        return await self.made(query, ctx) or [Candidate((), "", Finish.EOS, latent=blank)]


class TrustsScores(Broken):
    async def run(self, query, candidates, ctx):
        return sorted(await self.made(query, ctx), key=lambda each: -each.scores[self.verifier.name].value)


class LeaksATask(Broken):
    async def run(self, query, candidates, ctx):
        self.__dict__["late"] = asyncio.create_task(asyncio.sleep(60))
        return await self.made(query, ctx)


FAILING = [
    (returns_whole_images, ReturnsWhatItHas, "at nfe = .*, an image must be whole; got one at time 1.0, eos"),
    (returns_whole_images, StopsHalfWay, "images must have come as far as latents come"),
    (returns_whole_images, KeepsNoImage, "an image must be whole; got one at time 0.0, eos"),
    (never_overspends, DenoisesPastTheLedger, "the engines must be asked for no more"),
    (never_overspends, WantsAllOrNothing, "must be answered with"),
    (never_overspends, LeavesNoRoom, "must be answered with"),
    (never_overspends, PlansForOne, "must refuse nothing"),
    (usage_is_what_was_paid, DenoisesPastTheLedger, "what the engines served must be what was paid"),
    (is_estimated, PlansForOne, "the estimate of calls must bracket"),
    (is_estimated, PlansForMore, "the estimate of calls must bracket"),
    (keeps_to_its_critical_path, MakesOneByOne, "at most 2 calls must be made one after another, .* got 4"),
    (ignores_order_of_arrival, TakesTheFirstToArrive, "must not depend on speed"),
    (draws_by_its_seed, BeginsWithTheSame, "another seed must give other draws"),
    (draws_by_its_seed, BeginsWithChance, "the same seed must give the same bytes"),
    (resumes_from_any_row, BeginsWithChance, "must ask at|the result must be the same"),
    (keeps_what_survives, WantsAllOrNothing, "at least 1 candidates must be kept; got 0"),
    (survives_engine_faults, WantsAllOrNothing, "must be answered with"),
    (survives_dead_engines, MakesUpAnImage, "must end in error"),
    (survives_failing_verifiers, TrustsScores, "bad operand|NoneType"),
    (leaves_nothing_behind, LeaksATask, "no task may be left"),
]


@pytest.mark.parametrize(("check", "strategy", "says"), FAILING, ids=lambda each: getattr(each, "__name__", ""))
async def test_a_broken_strategy_of_images_fails(check, strategy, says: str) -> None:
    with pytest.raises(Exception, match=says):
        await check(strategy(**KNOBS))


@pytest.mark.parametrize("check", sorted({case[0] for case in FAILING}, key=lambda check: check.__name__))
async def test_a_sound_strategy_of_images_passes(check) -> None:
    await check(Broken(**KNOBS))
