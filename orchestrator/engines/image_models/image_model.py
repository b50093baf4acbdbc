"""What a reward model of images is, and how it is described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ...denoising import Seen
from ...errors import EngineError, EngineRefused
from ...images import Image


class ImageModel(Protocol):
    """A model that looks at images. Its methods block, and are called from one thread at a time."""

    @property
    def identity(self) -> str:
        """Names the model and its weights: two of one identity tell the same."""

    @property
    def look_flops(self) -> int:
        """Operations of looking at one image."""

    def values(self, images: Sequence[Image], prompt: str) -> NDArray[Any]:
        """What it tells of each image, ``[images, values]``: one value, or one logit a class.

        Args:
            images: each by itself, of any sizes.
            prompt: what they should show; models that need none leave it aside.

        Raises:
            EngineRefused: it cannot look at such images.
        """


class ImageModelSpec(BaseModel):
    """A reward model of images as data. A subclass sets `kind` to a literal, adds its knobs, and implements `load`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str

    @property
    def takes_gpu(self) -> bool:
        """Whether it needs a GPU of its own."""
        return False

    def load(self) -> ImageModel:
        """The model, ready.

        Raises:
            EngineRefused: it cannot be loaded here; says what to do.
        """
        raise TypeError(f"{type(self).__name__} must implement load")


def told(model: ImageModel, images: Sequence[Image], prompt: str) -> list[Seen]:
    """What a model tells of images; where it cannot look at them together, of each by itself.

    Raises:
        EngineRefused: it can look at none of them.
    """
    try:
        return _together(model, images, prompt)
    except EngineRefused:
        found = [_alone(model, image, prompt) for image in images] if len(images) > 1 else []
        if not any(found):
            raise
        return found


def _together(model: ImageModel, images: Sequence[Image], prompt: str) -> list[Seen]:
    try:
        values = np.asarray(model.values(images, prompt), np.float64)
    except EngineError:
        raise
    except Exception as error:
        text = f"{model.identity} must look at images, but raised {type(error).__name__}: {error}"
        raise EngineRefused(text) from error
    return [tuple(row) for row in np.where(np.isfinite(values), values, np.array(None)).tolist()]


def _alone(model: ImageModel, image: Image, prompt: str) -> Seen:
    try:
        return _together(model, [image], prompt)[0]
    except EngineRefused:
        return ()


def levels(image: Image) -> NDArray[np.float32]:
    """The pixels of an image from -1 (black) to 1 (white), ``[height, width, channels]``."""
    found: NDArray[np.float32] = image.array.astype(np.float32) / 127.5 - 1.0
    return found
