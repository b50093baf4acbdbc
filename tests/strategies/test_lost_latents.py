"""Where a denoiser breaks down for some latents, only what comes of these is lost."""

from collections.abc import Sequence

import numpy as np
import pytest
from blobs import BLOBS, QUERY, shown_as, world
from image_rewards import BRIGHT

from ponder.orchestrator.engines.denoisers import Condition, Mixture
from ponder.orchestrator.engines.denoisers.denoiser import Times
from ponder.orchestrator.engines.denoisers.mixture import MixtureDenoiser
from ponder.orchestrator.images import Array
from ponder.strategies import SVDD, PathSearch, RandomNoiseSearch, RolloverBudgetForcing, Strategy, ZeroOrderSearch

KNOBS = {"verifier": BRIGHT, "conditional": False, "steps": 6}
SEARCHES = [
    RandomNoiseSearch(n=12, **KNOBS),
    ZeroOrderSearch(n=3, rounds=5, tau=0.3, **KNOBS),
    PathSearch(n=3, children=4, **KNOBS),
    SVDD(n=6, **KNOBS),
    RolloverBudgetForcing(evaluations=50, **KNOBS),
    RolloverBudgetForcing(evaluations=50, min_tries=1, margin=0.0, speculation=3, leftover="last", **KNOBS),
]


class Broken(Mixture):
    """A mixture whose denoiser tells NaN for states above a level."""

    above: float = 1.3

    def load(self) -> MixtureDenoiser:
        return BrokenDenoiser(self)


class BrokenDenoiser(MixtureDenoiser):
    def velocity(self, x: Array, t: Times, conditions: Sequence[Condition]) -> Array:
        is_broken = x[:, 0, 0, :1] > self.spec.above
        return np.where(is_broken[:, None, None], np.float32("nan"), super().velocity(x, t, conditions))


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.kind)
async def test_what_is_lost_spoils_nothing_else(search: Strategy) -> None:
    async with world(Broken(**BLOBS.model_dump()), seed=2) as ctx:
        images = await search.run(QUERY, [], ctx)
        assert ctx._run.failures > 0
        assert images
        assert all(each.latent.t == 0.0 and each.image.pixels == shown_as(each) for each in images)
        assert images[0].scores[BRIGHT.name].value == images[0].image.array.mean(dtype=np.float64) / 255


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.kind)
async def test_where_all_is_lost_there_is_no_image(search: Strategy) -> None:
    async with world(Broken(above=-100.0, **BLOBS.model_dump())) as ctx:
        assert await search.run(QUERY, [], ctx) == []
        assert ctx._run.failures > 0
        assert "must stay finite while it is denoised" in ctx._run.reason
