"""Image pipelines for tests of the server: closed-form mixtures that are quick, slow or broken."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from ponder.orchestrator.engine import EngineSpec
from ponder.orchestrator.engines.denoisers.mixture import Mixture, MixtureDenoiser
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.image_models import GaussianClassifier
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.pipeline import Pipeline
from ponder.strategies import SVDD, RandomNoiseSearch, Strategy
from ponder.verifiers import ClassLogprob

MEANS = ((0.8, -0.8, 0.2, -0.2, 0.5, -0.5), (-0.8, 0.8, -0.2, 0.2, -0.5, 0.5), (0.9, 0.9, 0.9, -0.9, -0.9, -0.9))
MIXTURE = Mixture(means=MEANS, variance=0.02, shape=(2, 3, 1))
BROKEN = Mixture(means=tuple(tuple(1e39 * value for value in mean) for mean in MEANS), shape=(2, 3, 1))
"""Its images are beyond what a float holds, so that every latent is lost."""


class Slow(Mixture):
    """A mixture whose evaluations wait until they are let go."""

    entered: ClassVar[threading.Event] = threading.Event()
    let_go: ClassVar[threading.Event] = threading.Event()
    evaluations: ClassVar[list[int]] = []

    def load(self) -> MixtureDenoiser:
        return SlowDenoiser(self)


class SlowDenoiser(MixtureDenoiser):
    def velocity(self, *given: Any) -> Any:
        Slow.entered.set()
        Slow.let_go.wait(20)
        Slow.evaluations.append(len(given[0]))
        return super().velocity(*given)


def engines(denoiser: Mixture = MIXTURE) -> dict[str, EngineSpec]:
    reward = ImageRewardSpec(model=GaussianClassifier(means=MEANS, variance=0.5))
    return {"generator": DiffusionSpec(denoiser=denoiser, row_seconds=0.001), "reward": reward}


def search(name: str, *, n: int = 4, steps: int = 4, denoiser: Mixture = MIXTURE) -> Pipeline:
    strategy = RandomNoiseSearch(n=n, steps=steps, verifier=ClassLogprob(), conditional=False)
    return drawn(name, strategy, denoiser)


def stepwise(name: str, *, n: int = 3, steps: int = 4) -> Pipeline:
    return drawn(name, SVDD(n=n, steps=steps, verifier=ClassLogprob(), conditional=False))


def drawn(name: str, strategy: Strategy, denoiser: Mixture = MIXTURE) -> Pipeline:
    return Pipeline.series(strategy, name=name, engines=engines(denoiser))
