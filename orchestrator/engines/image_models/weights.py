"""Weights in safetensors files, and what names them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import EngineRefused

Layer = tuple[NDArray[Any], NDArray[Any]]
"""Weights of shape [in, out], and biases."""


def arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, by name.

    Raises:
        EngineRefused: it is no such file, or the package is not installed.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise EngineRefused("weights must be read by the package safetensors; pip install safetensors") from None
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise EngineRefused(f"weights must be a safetensors file, but {path} is none: {error}; {CONVERT}") from None


def linear(found: Mapping[str, NDArray[Any]], prefix: str, width: int) -> list[Layer]:
    """The dense layers ``prefix + "0.weight"`` and so on, of shape [out, in], from `width` numbers to one.

    Where numbers are left out, there stood a layer without weights.

    Raises:
        EngineRefused: they are not there, or do not lead from the one to the other.
    """
    places = [re.fullmatch(rf"{re.escape(prefix)}(\d+)\.weight", key) for key in found]
    names = [f"{prefix}{number}" for number in sorted(int(place[1]) for place in places if place)]
    layers = [(found[f"{name}.weight"].T, found.get(f"{name}.bias", np.zeros(0))) for name in names]
    sizes = [width, *(weight.shape[-1] for weight, _ in layers)]
    fits = [
        weight.shape == sides and bias.shape == sides[1:]
        for (weight, bias), sides in zip(layers, pairwise(sizes), strict=True)
    ]
    if not layers or not all(fits) or sizes[-1] != 1:
        raise EngineRefused(
            f"a head must hold layers {prefix}0.weight and so on from {width} numbers to one, but leads by {sizes}"
        )
    return [(np.asarray(weight, np.float32), np.asarray(bias, np.float32)) for weight, bias in layers]


def through(layers: Sequence[Layer], x: NDArray[Any]) -> NDArray[Any]:
    """What dense layers without anything between them make of rows."""
    for weight, bias in layers:
        x = x @ weight + bias
    return x


CONVERT = (
    "make one of a state dict by safetensors.torch.save_file(torch.load('it.pth', weights_only=True), 'it.safetensors')"
)
