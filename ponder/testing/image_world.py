"""A small world of images: a denoiser that is a mixture of Gaussians, and a classifier that tells which one it was."""

from __future__ import annotations

from ..orchestrator.denoising import Passage
from ..orchestrator.engines.denoisers import Mixture
from ..orchestrator.engines.diffusion import DiffusionEngine, DiffusionSpec
from ..orchestrator.engines.image_models import GaussianClassifier
from ..orchestrator.engines.image_reward import ImageRewardSpec
from ..orchestrator.images import Image, Latent
from ..orchestrator.types import Query

SHAPE = (2, 2, 1)
SPREAD = 0.2
MEANS = (
    (-0.8, 0.1, 0.6, -0.3),
    (0.5, -0.7, 0.2, 0.8),
    (0.0, 0.7, -0.6, 0.3),
    (0.7, 0.4, -0.1, -0.8),
    (-0.4, -0.5, 0.9, 0.2),
)
PICTURE = Query.ask("Can you draw a 3?", reference="3")
SOME = 4


def denoising(spread: float = SPREAD) -> DiffusionSpec:
    """A denoiser that draws one of the five kinds of image, each of a variance `spread`."""
    mixture = Mixture(means=MEANS, variance=spread, shape=SHAPE)
    return DiffusionSpec(denoiser=mixture, row_seconds=3e-6, decode_seconds=1e-6, row_price=4.0)


def looking(number: int) -> ImageRewardSpec:
    """A classifier of the five kinds; those of a higher number are less sure."""
    model = GaussianClassifier(means=MEANS, variance=1.0 + number)
    return ImageRewardSpec(model=model, look_seconds=2e-6, look_price=5.0)


def images(count: int = SOME) -> tuple[Image, ...]:
    """Images of the first kinds, plain and without noise."""
    decode = DiffusionEngine(denoising()).model.decode
    import numpy as np

    return tuple(Image.of(pixels) for pixels in decode(np.array(MEANS[:count], np.float32).reshape(count, *SHAPE)))


def is_whole(passage: Passage) -> bool:
    """Whether a latent comes to its end: to time 0, or to the data expected where it stands."""
    return passage.decodes and (passage.end == 0.0 or not passage.evaluations)


def latent_of(image: Image) -> Latent:
    """Data that shows an image."""
    return Latent.of(image.array.astype("float32") / 127.5 - 1.0, 0.0)
