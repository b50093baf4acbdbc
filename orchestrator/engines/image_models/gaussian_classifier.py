"""A classifier of images in closed form: which of several Gaussians an image came from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...canonical import stable_id
from ...errors import EngineRefused
from ...images import Image
from .image_model import ImageModelSpec, levels

Finite = Annotated[float, Field(allow_inf_nan=False)]


class GaussianClassifier(ImageModelSpec):
    """The log-density of each of some Gaussians of one variance, but for a constant, as the logits of a classifier.

    The judge that a `mixture` denoiser deserves; with a larger variance than the mixture's it is a less sure one.

    Args:
        means: of the classes, each as many numbers as an image has bytes, -1 black to 1 white.
        variance: of every pixel around its mean.
    """

    kind: Literal["gaussian_classifier"] = "gaussian_classifier"
    means: Annotated[tuple[tuple[Finite, ...], ...], Field(min_length=1)]
    variance: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0

    def load(self) -> GaussianJudge:
        """The classifier."""
        return GaussianJudge(self)


class GaussianJudge:
    """The model of a `GaussianClassifier`."""

    def __init__(self, spec: GaussianClassifier) -> None:
        self.spec = spec
        self._means = np.array(spec.means)

    @cached_property
    def identity(self) -> str:
        return f"gaussian_classifier:{stable_id(self.spec)}"

    @property
    def look_flops(self) -> int:
        """Three operations a pixel of each class."""
        return 3 * self._means.size

    def values(self, images: Sequence[Image], prompt: str) -> NDArray[Any]:
        flat = [levels(image).ravel() for image in images]
        size = self._means.shape[1]
        if any(len(each) != size for each in flat):
            raise EngineRefused(f"images must have {size} bytes for this classifier, got {[len(e) for e in flat]}")
        gaps = np.stack(flat)[:, None, :] - self._means
        found: NDArray[Any] = -0.5 * np.sum(gaps**2, axis=2) / self.spec.variance
        return found
