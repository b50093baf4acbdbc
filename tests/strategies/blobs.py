"""Images of a known law: ten Gaussians over 16 pixels, a denoiser that knows them, and judges of pixels."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import numpy as np
from making import context

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.context import Context
from ponder.orchestrator.engines.denoisers import Mixture
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.image_models import GaussianClassifier
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.images import Array
from ponder.orchestrator.types import Candidate, Query, Score
from ponder.orchestrator.verifier import Verifier

MEANS = tuple(tuple(map(float, row)) for row in np.random.default_rng(0).uniform(-0.8, 0.8, (10, 16)))
BLOBS = Mixture(means=MEANS, variance=0.05, shape=(4, 4, 1))
CLASSIFIER = GaussianClassifier(means=MEANS, variance=1.0)
ENGINES = {"generator": DiffusionSpec(denoiser=BLOBS), "reward": ImageRewardSpec(model=CLASSIFIER)}
QUERY = Query.ask("draw a 3")


@asynccontextmanager
async def world(denoiser: Any = BLOBS, seed: int = 0, budget: Budget = Budget()) -> AsyncIterator[Context]:
    """A context whose engines are a denoiser and a classifier of blobs."""
    generator, reward = DiffusionSpec(denoiser=denoiser).open(), ENGINES["reward"].open()
    try:
        yield context(generator, seed, budget, reward=reward)
    finally:
        await generator.close()
        await reward.close()


class Brightness(Verifier):
    """The mean pixel from -1 to 1, times a factor; `asked` are the images it saw."""

    kind: Literal["brightness"] = "brightness"
    factor: float = 1.0

    @property
    def judges(self) -> frozenset[Any]:
        return frozenset({"image"})

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: object) -> list[Score]:
        return [Score(self.factor * brightness(each), scale="reward") for each in candidates]


def brightness(candidate: Candidate) -> float:
    assert candidate.image is not None
    return float(candidate.image.array.mean(dtype=np.float64) / 127.5 - 1)


def values(candidate: Candidate) -> Array:
    assert candidate.latent is not None
    return candidate.latent.array


def shown_as(candidate: Candidate, denoiser: Mixture = BLOBS) -> bytes:
    """The pixels of what a candidate's latent is the data of."""
    return denoiser.load().decode(values(candidate)[None])[0].tobytes()
