"""Ranks and quantiles of images: what they depend on, and what they do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from image_world import BLACK, GREY, WHITE, image_context, pictures, seen

import ponder
from ponder.orchestrator.engines.denoisers import Mixture
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.image_models import GaussianClassifier, PixelSpread
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.images import Image
from ponder.orchestrator.run import arun
from ponder.orchestrator.types import Query
from ponder.strategies import RandomNoiseSearch
from ponder.verifiers import ClassLogprob, Function, ImageReward, QuantileEnsemble, RankEnsemble, Verifier

SPREAD, TONE = ImageReward(), ClassLogprob(engine="tones")


def brightness(shown: Image, query: Query) -> float:
    return float(shown.array.mean())


def cubed_brightness(shown: Image, query: Query) -> float:
    return math.exp(brightness(shown, query) / 50) - 3


def upside_down(shown: Image, query: Query) -> float:
    return -brightness(shown, query)


BRIGHT, CUBED, DARK = map(Function.of, (brightness, cubed_brightness, upside_down))


async def values(verifier: Verifier, images: list[Image]) -> list[float]:
    return [score.value for score in await seen(verifier, images) if score.value is not None]


async def test_a_monotone_change_of_a_member_changes_no_rank() -> None:
    images = pictures(17)
    plain = await values(RankEnsemble(members=(BRIGHT, SPREAD, TONE)), images)
    assert plain == await values(RankEnsemble(members=(CUBED, SPREAD, TONE)), images)
    assert plain != await values(RankEnsemble(members=(DARK, SPREAD, TONE)), images)


async def test_ranks_follow_images_that_come_in_another_order() -> None:
    images, ensemble = pictures(17), RankEnsemble(members=(BRIGHT, SPREAD, TONE), weights=(1, 2, 3))
    order = [int(place) for place in np.random.default_rng(3).permutation(17)]
    plain = await values(ensemble, images)
    assert await values(ensemble, [images[place] for place in order]) == [plain[place] for place in order]


async def test_images_that_tie_share_their_rank() -> None:
    assert await values(RankEnsemble(members=(SPREAD,)), [BLACK, GREY, WHITE]) == [0.75, 0.0, 0.75]
    assert await values(RankEnsemble(members=(BRIGHT, DARK)), [BLACK, GREY, WHITE]) == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("member", [BRIGHT, SPREAD, TONE])
async def test_one_member_alone_puts_its_own_best_first(member: Verifier) -> None:
    images = pictures(17)
    alone, ranks = await values(member, images), await values(RankEnsemble(members=(member,)), images)
    assert np.argmax(ranks) == np.argmax(alone)
    assert np.argsort(ranks, kind="stable").tolist() == np.argsort(alone, kind="stable").tolist()


async def test_an_ensemble_pays_each_look_once() -> None:
    nested = RankEnsemble(members=(SPREAD, RankEnsemble(members=(SPREAD, TONE))))
    ctx = image_context()
    scores = await seen(nested, [BLACK, WHITE, GREY], ctx)
    assert ctx._run.ledger.spent.verifier_calls == 6
    assert [score.usage.verifier_calls for score in scores] == [2, 2, 2]


MEANS = tuple(tuple(row) for row in np.random.default_rng(0).uniform(-0.8, 0.8, (4, 16)).tolist())
ENGINES = {
    "generator": DiffusionSpec(denoiser=Mixture(means=MEANS, variance=0.05, shape=(4, 4, 1))),
    "weak": ImageRewardSpec(model=GaussianClassifier(means=MEANS, variance=2.0)),
    "reward": ImageRewardSpec(model=PixelSpread()),
}


async def test_quantiles_against_a_frozen_pool_of_images_stand_alone() -> None:
    """The pool is drawn once; afterwards an image has the same score in any company."""
    members = (ClassLogprob(engine="weak"), ImageReward())
    query = Query.ask("draw a 2")
    search = RandomNoiseSearch(n=32, verifier=members[0], conditional=False, steps=2)
    drawn = (await arun(search, query, engines=ENGINES, seed=5)).candidates
    pool = [candidate.image for candidate in drawn if candidate.image]
    judged = [await ponder.ajudge(member, query, pool, engines=ENGINES) for member in members]
    fitted = QuantileEnsemble.fit(members, [[score.value for score in row] for row in judged])
    assert [len(knots) for knots in fitted.knots] == [32, 32]
    assert not fitted.is_relative and fitted.judges == {"image"}

    scored = [
        await arun(RandomNoiseSearch(n=n, verifier=fitted, conditional=False, steps=2), query, engines=ENGINES)
        for n in (4, 12)
    ]
    few, many = ({c.image: c.scores[fitted.name].value for c in result.candidates} for result in scored)
    assert len(few) == 4 and few == {image: many[image] for image in few}
    assert all(value is not None and 0 <= value <= 1 for value in many.values())
    best = scored[1].best
    assert best is not None and many[best.image] == max(value for value in many.values() if value is not None)
