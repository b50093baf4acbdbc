"""Reward models of images: one kind of model a file."""

from typing import Annotated

from pydantic import BeforeValidator, SerializeAsAny

from ...registry import Registry
from .gaussian_classifier import GaussianClassifier
from .image_model import ImageModel, ImageModelSpec
from .pixel_classifier import PixelClassifier
from .pixel_spread import PixelSpread

IMAGE_MODELS: Registry[ImageModelSpec] = Registry(
    "image model",
    "ponder.image_models",
    {
        "gaussian_classifier": GaussianClassifier,
        "pixel_classifier": PixelClassifier,
        "pixel_spread": PixelSpread,
    },
)

AnyImageModel = Annotated[SerializeAsAny[ImageModelSpec], BeforeValidator(IMAGE_MODELS.build)]
"""An image model in another model: a table with a ``kind``, or a spec; saved with all its knobs."""

__all__ = [
    "IMAGE_MODELS",
    "AnyImageModel",
    "GaussianClassifier",
    "ImageModel",
    "ImageModelSpec",
    "PixelClassifier",
    "PixelSpread",
]
