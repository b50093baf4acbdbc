"""The agreement of an image with its own preview: what is compared, when, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest
from image_world import BLACK, image_context, pictures

from ponder.orchestrator.engines.denoisers import Mixture
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.image_models import GaussianClassifier
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.images import Image, Latent
from ponder.orchestrator.run import arun
from ponder.orchestrator.types import Candidate, Finish, Query, Score
from ponder.strategies import SVDD
from ponder.verifiers import PreviewAgreement

ONE, TWO, THREE = pictures(3)


def path(*stops: tuple[float, Image | None]) -> Candidate:
    """An image and what was expected before, at the times of its denoising."""
    node: Candidate | None = None
    for t, image in stops:
        node = Candidate((), "", Finish.STEP, node, latent=Latent.of(np.zeros(4), t), image=image)
    assert node is not None
    return node


async def scores(verifier: PreviewAgreement, *candidates: Candidate) -> list[Score]:
    judged = await image_context().score(Query.ask("a 1"), candidates, verifier)
    return [candidate.scores[verifier.name] for candidate in judged]


async def test_it_is_the_correlation_of_the_pixels() -> None:
    (score,) = await scores(PreviewAgreement(), path((1.0, None), (0.4, ONE), (0.0, TWO)))
    wanted = np.corrcoef(ONE.array.ravel(), TWO.array.ravel())[0, 1]
    assert score.value == pytest.approx(wanted) and score.kind == "self" and score.scale == "reward"
    (same,) = await scores(PreviewAgreement(), path((0.4, ONE), (0.0, ONE)))
    assert same.value == pytest.approx(1.0)


@pytest.mark.parametrize(
    "candidate",
    [
        path((1.0, None), (0.0, ONE)),
        path((0.8, ONE), (0.0, TWO)),
        path((0.8, ONE)),
        path((0.2, ONE), (0.0, None)),
        Candidate((), "a text", Finish.EOS),
    ],
)
async def test_without_a_late_preview_it_cannot_tell(candidate: Candidate) -> None:
    (score,) = await scores(PreviewAgreement(), candidate)
    assert score.value is None and "no preview at time 0.5" in score.detail


async def test_an_image_of_one_tone_has_nothing_to_compare() -> None:
    (score,) = await scores(PreviewAgreement(), path((0.4, ONE), (0.0, BLACK)))
    assert score.value is None and "all values are alike" in score.detail


async def test_a_model_tells_what_is_compared_and_is_paid_once() -> None:
    verifier = PreviewAgreement(engine="tones", latest=0.9)
    ctx = image_context()
    candidates = [path((0.8, ONE), (0.4, TWO)), path((0.8, ONE), (0.4, THREE)), path((1.0, None), (0.9, ONE))]
    judged = await ctx.score(Query.ask("a 1"), candidates, verifier)
    found = [candidate.scores[verifier.name] for candidate in judged]
    assert [abs(score.value or 0) for score in found[:2]] == pytest.approx([1.0, 1.0])  # of two logits
    assert found[2].value is None
    assert [score.usage.verifier_calls for score in found] == [2, 1, 0]
    assert ctx._run.ledger.spent.verifier_calls == 3
    bound = verifier.bound(ctx._run.engines, 1, 0)
    assert bound.verifier_calls == 2 and verifier.least(ctx._run.engines, 1).verifier_calls == 0


async def test_a_stepwise_search_has_previews_of_its_images() -> None:
    means = tuple(tuple(row) for row in np.random.default_rng(0).uniform(-0.8, 0.8, (3, 16)).tolist())
    engines = {
        "generator": DiffusionSpec(denoiser=Mixture(means=means, variance=0.05, shape=(4, 4, 1))),
        "logits": ImageRewardSpec(model=GaussianClassifier(means=means, variance=2.0)),
    }
    verifier = PreviewAgreement(engine="logits", latest=0.9)
    search = SVDD(n=4, steps=6, verifier=verifier, conditional=False)
    result = await arun(search, Query.ask("draw a 2"), engines=engines)
    assert result.best is not None and result.best.image is not None
    value = result.best.scores[verifier.name].value
    assert value is not None and value > 0.5
