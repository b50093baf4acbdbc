"""What a denoiser is: one conditioned model that tells velocities, and how it is described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ...denoising import Denoising
from ...images import Array, Pixels

Times = NDArray[np.float64]


class Condition(NamedTuple):
    """What a row should show, and how much.

    Args:
        prompt: in words; empty for anything.
        guidance: the scale of classifier-free guidance; 1 is without.
    """

    prompt: str = ""
    guidance: float = 1.0


class Denoiser(Protocol):
    """One conditioned model. Its methods block, and are called from one thread at a time.

    A denoiser whose `facts.is_stepwise` is false implements `own` alone, one whose `facts.has_own` is false all but it.
    """

    @property
    def identity(self) -> str:
        """Names the model and its weights: two of one identity tell the same."""

    @property
    def facts(self) -> Denoising:
        """Its latents, its interpolant and what it can do."""

    @property
    def row_flops(self) -> int:
        """Operations of one row."""

    @property
    def decoding_flops(self) -> int:
        """Operations of making one image."""

    def velocity(self, x: Array, t: Times, conditions: Sequence[Condition]) -> Array:
        """The velocity of each row, guidance applied.

        Args:
            x: states, ``[rows, *shape]``.
            t: the time of each, ``[rows]``, above 0 and at most 1.
            conditions: of each.

        Raises:
            EngineRefused: a prompt cannot be shown.
        """

    def own(self, x: Array, steps: int, conditions: Sequence[Condition]) -> Array:
        """Data, ``[rows, *shape]``, by the model's own sampler from noise `x` in `steps` evaluations of each."""

    def decode(self, data: Array) -> Pixels:
        """The images of data: bytes, ``[rows, height, width, channels]``."""


def shown(data: NDArray[Any]) -> Pixels:
    """Data from -1 (black) to 1 (white) as bytes; what lies beyond is cut off."""
    found: Pixels = np.clip(np.rint((data + 1.0) * 127.5), 0, 255).astype(np.uint8)
    return found


class DenoiserSpec(BaseModel):
    """A denoiser as data. A subclass sets `kind` to a literal, adds its knobs, and implements `load`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str

    @property
    def takes_gpu(self) -> bool:
        """Whether it runs on a GPU."""
        return False

    def load(self) -> Denoiser:
        """The denoiser, ready.

        Raises:
            EngineRefused: it cannot be loaded here; says what to do.
        """
        raise TypeError(f"{type(self).__name__} must implement load")
