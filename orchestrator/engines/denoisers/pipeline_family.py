"""What the pipelines of diffusers differ in, one family a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import EngineRefused
from .prompt_embeddings import Embedded


class PipelineFamily:
    """How a pipeline of one family is asked and what it gives. A subclass sets what follows, and implements the rest.

    Args:
        pipe: the pipeline.
        height: of images, in pixels; None for what it was made for.
        width: likewise.

    Raises:
        EngineRefused: it cannot make images of that size.
    """

    network: ClassVar[str]
    """The folder of the network that denoises."""
    text_parts: ClassVar[tuple[str, ...]]
    """What turns prompts into embeddings."""
    embeddings: ClassVar[tuple[str, ...]]
    """The arguments that hold embeddings."""
    size: tuple[int, int]
    """Width and height of its images."""
    shape: tuple[int, ...]
    """What `latents` takes, without the axis of the batch."""
    guidance_rows: int
    """Rows of an evaluation with guidance other than 1."""
    is_reproducible: bool = True
    """Whether noise that its own sampler adds comes from generators that it is given."""

    def __init__(self, pipe: Any, height: int | None, width: int | None) -> None:
        self.pipe = pipe

    def encoded(self, prompt: str) -> Embedded:
        """The embeddings of a prompt, by its text encoders."""
        raise TypeError(f"{type(self).__name__} must implement encoded")

    def arguments(self, told: Embedded, nothing: Embedded | None, guidance: float) -> dict[str, Any]:
        """The arguments of a call.

        Args:
            told: the embeddings of each row's prompt.
            nothing: those of the empty prompt, for guidance by two rows.
            guidance: its scale.
        """
        width, height = self.size
        asked = {**told, "width": width, "height": height, "guidance_scale": guidance}
        return asked if nothing is None else asked | {f"negative_{name}": each for name, each in nothing.items()}

    def decoded(self, latents: Any) -> NDArray[Any]:
        """Images from 0 to 1, ``[rows, height, width, channels]``."""
        raise TypeError(f"{type(self).__name__} must implement decoded")


def divisible(size: Sequence[int], by: int) -> None:
    """Refuse a size of images that a pipeline would round.

    Raises:
        EngineRefused: it is not a multiple.
    """
    if any(side % by for side in size):
        raise EngineRefused(f"the height and width of this pipeline must be multiples of {by}, got {tuple(size)}")


def as_bytes(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Images from 0 to 1 as bytes, as diffusers rounds them."""
    found: NDArray[np.uint8] = (images * 255).round().astype(np.uint8)
    return found
