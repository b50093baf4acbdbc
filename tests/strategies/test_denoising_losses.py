"""Searches over denoising states where latents or judgements are lost, in any batch and any company."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
from blobs import BLOBS, QUERY, Brightness, shown_as, values, world
from making import context

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.denoisers import Condition, Mixture
from ponder.orchestrator.engines.denoisers.mixture import MixtureDenoiser
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.types import Candidate, Query, Score
from ponder.strategies import SVDD, DenoisingBeam, DenoisingRebase, FeynmanKac
from ponder.strategies.denoising import times

KNOBS = {"verifier": Brightness(), "conditional": False, "n": 6, "steps": 5}
EVERY = {
    "svdd": SVDD(**KNOBS),
    "beam": DenoisingBeam(beam_width=2, **KNOBS),
    "rebase": DenoisingRebase(**KNOBS),
    "feynman-kac": FeynmanKac(threshold=0.9, **KNOBS),
}


class Leaking(Mixture):
    """A mixture that tells nothing of states whose first value is above a limit."""

    kind: Literal["leaking"] = "leaking"
    limit: float = 0.8

    def load(self) -> "LeakingDenoiser":
        return LeakingDenoiser(self)


class LeakingDenoiser(MixtureDenoiser):
    def velocity(self, x, t, conditions: Sequence[Condition]):
        found = super().velocity(x, t, conditions)
        found[x.reshape(len(x), -1)[:, 0] > self.spec.limit] = np.nan
        return found


class Stumbling(Mixture):
    """A mixture that tells nothing the first time that it is asked about a time."""

    kind: Literal["stumbling"] = "stumbling"
    at: float

    def load(self) -> "StumblingDenoiser":
        return StumblingDenoiser(self)


class StumblingDenoiser(MixtureDenoiser):
    has_stumbled = False

    def velocity(self, x, t, conditions: Sequence[Condition]):
        found = super().velocity(x, t, conditions)
        if not self.has_stumbled and (t == self.spec.at).any():
            self.has_stumbled, found[t == self.spec.at] = True, np.nan
        return found


class Doubtful(Brightness):
    """Cannot tell of images whose first pixel is bright."""

    kind: Literal["doubtful"] = "doubtful"

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: object) -> list[Score]:
        told = await super().score(query, candidates, ctx)
        return [
            Score(None) if each.image.pixels[0] > 100 else score for each, score in zip(candidates, told, strict=True)
        ]


@pytest.mark.parametrize("strategy", EVERY.values(), ids=EVERY)
async def test_lost_latents_are_noted_and_the_others_go_on(strategy) -> None:
    leaking, lost = Leaking(**BLOBS.model_dump(exclude={"kind"})), 0
    for seed in range(6):
        async with world(leaking, seed) as ctx:
            found = await strategy.run(QUERY, [], ctx)
            lost += ctx._run.failures
        assert found
        assert all(each.latent.t == 0.0 and each.image.pixels == shown_as(each) for each in found)
        assert all(state.latent.array.ravel()[0] <= 0.8 for each in found for state in [*each.path()][:-1])
    assert lost > 6


@pytest.mark.parametrize("strategy", EVERY.values(), ids=EVERY)
async def test_where_all_latents_are_lost_there_is_no_image(strategy) -> None:
    async with world(Leaking(limit=-9.0, **BLOBS.model_dump(exclude={"kind"}))) as ctx:
        assert await strategy.run(QUERY, [], ctx) == []
        assert "NaN or infinity" in ctx._run.reason


@pytest.mark.parametrize("strategy", EVERY.values(), ids=EVERY)
async def test_what_cannot_be_told_comes_last(strategy) -> None:
    """A choice of one and a softmax leave it out as long as anything can be told."""
    judged = strategy.model_copy(update={"verifier": Doubtful(), "n": 12})
    async with world(seed=3) as ctx:
        found = await judged.run(QUERY, [], ctx)
    scores = [each.scores["doubtful"].value for each in found]
    assert scores == sorted(scores, key=lambda score: (score is None, -(score or 0.0)))
    assert scores[0] is not None
    if strategy.kind in ("svdd", "denoising_rebase"):
        chosen = [state for image in found for state in [*image.path()][1:-1]]  # of pure noise all is expected alike
        assert all(state.scores["doubtful"].value is not None for state in chosen)


@pytest.mark.parametrize("strategy", EVERY.values(), ids=EVERY)
async def test_images_do_not_depend_on_the_size_of_batches_nor_on_company(strategy) -> None:
    """Nor do the noises, which are the same to the byte."""
    async with world() as ctx:
        alone = await strategy.run(QUERY, [], ctx)
    for batch in (1, 5):
        async with world(BLOBS.model_copy(update={"batch": batch})) as ctx:
            assert near(await strategy.run(QUERY, [], ctx), alone)
    engine = DiffusionSpec(denoiser=BLOBS).open()
    others = [Query.ask(f"draw a {digit}") for digit in (1, 2)]
    runs = [strategy.run(query, [], context(engine)) for query in (others[0], QUERY, others[1])]
    together = await asyncio.gather(*runs)
    await engine.close()
    assert near(together[1], alone)
    assert not near(together[0][:1], alone[:1])


def near(found: Sequence[Candidate], expected: Sequence[Candidate]) -> bool:
    begun = [next(each.path()).latent.values for each in found] == [
        next(each.path()).latent.values for each in expected
    ]
    pairs = zip(found, expected, strict=True)
    return begun and all(np.allclose(values(one), values(other), rtol=0, atol=1e-5) for one, other in pairs)


@pytest.mark.parametrize("nfe", range(8, 13))
async def test_where_all_are_lost_between_stops_there_is_room_to_go_on_from_the_last(nfe) -> None:
    """Two noises, then their way to the next stop, at place 3; whence both are lost the end is 5 evaluations away."""
    stumbling = Stumbling(at=times(6)[0], **BLOBS.model_dump(exclude={"kind"}))
    strategy = SVDD(**KNOBS | {"n": 2, "steps": 6, "block": 3})
    async with world(stumbling, budget=Budget(nfe=nfe)) as ctx:
        [image] = await strategy.run(QUERY, [], ctx)
        assert ctx._run.ledger.spent.nfe == 7 + min(2, nfe - 7)
    assert image.latent.t == 0.0
    assert [state.latent.t for state in image.path()] == [1.0, 0.0]
