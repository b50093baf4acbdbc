"""Texts and images in one house: what works on the one is not given the other."""

import pytest

from ponder import run
from ponder.orchestrator.engines.denoisers import Mixture
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.image_models import GaussianClassifier
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.strategy import Strategy
from ponder.strategies import BestOfN, Fuse, RandomNoiseSearch, Rank, Sample
from ponder.verifiers import ClassLogprob, ExactMatch

MEANS = ((-0.5, 0.5, 0.5, -0.5), (0.5, 0.5, -0.5, -0.5))
ENGINES = {
    "generator": DiffusionSpec(denoiser=Mixture(means=MEANS, shape=(2, 2, 1))),
    "reward": ImageRewardSpec(model=GaussianClassifier(means=MEANS)),
}
IMAGES = RandomNoiseSearch(n=4, verifier=ClassLogprob())


@pytest.mark.parametrize(
    ("stages", "rule"),
    [
        ((Sample(),), "engine 'generator' must be able to write text"),
        ((IMAGES, Fuse()), "fuse cannot work on images"),
        ((BestOfN(n=2, verifier=ClassLogprob()),), "judges images, but gets texts"),
        ((RandomNoiseSearch(n=2, verifier=ExactMatch()),), "judges texts, but gets images"),
    ],
)
def test_the_wrong_medium_is_refused_before_anything_is_paid(stages: tuple[Strategy, ...], rule: str) -> None:
    with pytest.raises(ShapeError, match=rule):
        run(Pipeline.series(*stages, engines=ENGINES), "show 1")


def test_images_are_ranked_as_texts_are() -> None:
    result = run(Pipeline.series(IMAGES, Rank(verifier=ClassLogprob(), keep=2), engines=ENGINES), "show 1")
    scores = [candidate.scores["class_logprob"].value for candidate in result.candidates]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]
    assert result.usage.nfe == 4 * 8
    assert result.usage.verifier_calls == 4, "judged once, though two nodes judge"
