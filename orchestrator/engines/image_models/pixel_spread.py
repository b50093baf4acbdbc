"""How far pixels are from grey: a score that knows nothing of what an image shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...images import Image
from .image_model import ImageModelSpec, levels


class PixelSpread(ImageModelSpec):
    """The mean distance of pixels from middle grey, from 0 to 1.

    It stands for an aesthetic score, which likes contrast whatever was asked for: a search that follows it alone shows
    what it is to mislead a verifier. It is of no other use.
    """

    kind: Literal["pixel_spread"] = "pixel_spread"

    def load(self) -> SpreadJudge:
        """The judge."""
        return SpreadJudge()


class SpreadJudge:
    """The model of a `PixelSpread`."""

    identity = "pixel_spread"
    look_flops = 0
    """One operation a pixel is not counted."""

    def values(self, images: Sequence[Image], prompt: str) -> NDArray[Any]:
        return np.array([[np.abs(levels(image)).mean(dtype=np.float64)] for image in images])
