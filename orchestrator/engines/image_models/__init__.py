"""Reward models of images: one kind of model a file."""

from typing import Annotated

from pydantic import BeforeValidator, SerializeAsAny

from ...registry import Registry
from .aesthetic import Aesthetic
from .blip_reward import BlipReward
from .clip_score import ClipScore
from .gaussian_classifier import GaussianClassifier
from .image_model import ImageModel, ImageModelSpec
from .pixel_classifier import PixelClassifier
from .pixel_spread import PixelSpread
from .vqa_score import VqaScore

IMAGE_MODELS: Registry[ImageModelSpec] = Registry(
    "image model",
    "ponder.image_models",
    {
        "aesthetic": Aesthetic,
        "clip_score": ClipScore,
        "gaussian_classifier": GaussianClassifier,
        "image_reward": BlipReward,
        "pixel_classifier": PixelClassifier,
        "pixel_spread": PixelSpread,
        "vqa_score": VqaScore,
    },
)

AnyImageModel = Annotated[SerializeAsAny[ImageModelSpec], BeforeValidator(IMAGE_MODELS.build)]
"""An image model in another model: a table with a ``kind``, or a spec; saved with all its knobs."""

__all__ = [
    "IMAGE_MODELS",
    "Aesthetic",
    "AnyImageModel",
    "BlipReward",
    "ClipScore",
    "GaussianClassifier",
    "ImageModel",
    "ImageModelSpec",
    "PixelClassifier",
    "PixelSpread",
    "VqaScore",
]
