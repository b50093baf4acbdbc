"""A classifier of raw pixels: logistic regression or a network of dense layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...errors import EngineRefused
from ...images import Image
from ...models import digits_flow
from ..fingerprint import fingerprint
from .image_model import ImageModelSpec, levels
from .weights import Layer, arrays

EMBEDDED = {"digits": "classifier.safetensors", "digits-weak": "weak_classifier.safetensors"}


class PixelClassifier(ImageModelSpec):
    """The logits of a dense network with ReLU between its layers, of the pixels from -1 (black) to 1, row by row.

    Args:
        weights: ``digits`` or ``digits-weak``, the embedded classifiers of 8x8 digits, or a safetensors file that holds
            ``w0`` of shape [pixels, ...] and ``b0``, then ``w1`` and ``b1`` and so on to the classes.
    """

    kind: Literal["pixel_classifier"] = "pixel_classifier"
    weights: Annotated[str, Field(min_length=1)] = "digits"

    def load(self) -> PixelJudge:
        """The classifier.

        Raises:
            EngineRefused: the file holds no such layers.
        """
        path = digits_flow() / EMBEDDED[self.weights] if self.weights in EMBEDDED else Path(self.weights)
        layers = _layers(arrays(path), str(path))
        return PixelJudge(layers, f"{self.kind}:{fingerprint(path)}")


class PixelJudge:
    """The model of a `PixelClassifier`.

    Args:
        layers: weights and biases, first to last.
        identity: names them.
    """

    def __init__(self, layers: Sequence[Layer], identity: str) -> None:
        self._layers = layers
        self.identity = identity

    @property
    def look_flops(self) -> int:
        """Two operations a weight, and one a bias."""
        return sum(2 * weight.size + bias.size for weight, bias in self._layers)

    def values(self, images: Sequence[Image], prompt: str) -> NDArray[Any]:
        wanted = len(self._layers[0][0])
        if others := {len(image.pixels) for image in images} - {wanted}:
            raise EngineRefused(f"images must have {wanted} bytes for this classifier, got {sorted(others)}")
        x = np.stack([levels(image).ravel() for image in images])
        *inner, (weight, bias) = self._layers
        for each, offset in inner:
            x = np.maximum(x @ each + offset, 0.0)
        logits: NDArray[Any] = x @ weight + bias
        return logits


def _layers(found: Mapping[str, NDArray[Any]], name: str) -> list[Layer]:
    """The layers that some arrays are.

    Raises:
        EngineRefused: they are none.
    """
    depth = len(found) // 2
    if not depth or set(found) != {f"{kind}{i}" for i in range(depth) for kind in "wb"}:
        raise EngineRefused(f"a classifier's file must hold w0, b0, w1, b1 and so on, but {name} holds {sorted(found)}")
    layers = [(np.asarray(found[f"w{i}"], np.float32), np.asarray(found[f"b{i}"], np.float32)) for i in range(depth)]
    fits = all(weight.ndim == 2 and bias.shape == weight.shape[1:] for weight, bias in layers)
    if not (fits and all(one.shape[1] == other.shape[0] for (one, _), (other, _) in pairwise(layers))):
        shapes = {key: each.shape for key, each in sorted(found.items())}
        raise EngineRefused(f"each layer must begin where the one before ends, but {name} holds {shapes}")
    return layers
