"""How much people like an image, whatever it shows: LAION's aesthetic predictor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from ...images import Image
from ..fingerprint import fingerprint
from .clip import Clip
from .torch_image_model import TorchImageModel, TorchImageModelSpec, require
from .weights import Layer, arrays, linear, through

if TYPE_CHECKING:
    import torch


class Aesthetic(TorchImageModelSpec):
    """A rating, about 1 to 10, read from CLIP's embedding of an image by linear layers; it does not read the prompt.

    Source: LAION's improved aesthetic predictor (Schuhmann et al. 2022, arXiv 2210.08402): CLIP ViT-L/14
    and layers from 768 over 1024, 128, 64 and 16 to 1, without activations between them.

    Args:
        model: the folder of that CLIPModel, its processor (``preprocessor_config.json``) and its tokenizer.
        head: a safetensors file with the predictor's ``layers.0.weight`` and so on, its sizes as they are.
    """

    kind: Literal["aesthetic"] = "aesthetic"
    head: Annotated[str, Field(min_length=1)]

    def load(self) -> AestheticModel:
        """The model.

        Raises:
            EngineRefused: it is not there, or the head does not fit.
        """
        require(self.folder)
        head = Path(self.head).expanduser()
        found, clip = arrays(head), Clip(self.folder, self.found_device)
        return AestheticModel(self, clip, linear(found, "layers.", clip.width), self.named(fingerprint(head)))


class AestheticModel(TorchImageModel):
    """The model of an `Aesthetic`."""

    def __init__(self, spec: Aesthetic, clip: Clip, head: Sequence[Layer], identity: str) -> None:
        super().__init__(spec, identity)
        self._clip, self._head = clip, head
        self.measure()

    def told(self, images: Sequence[Image], prompt: str) -> torch.Tensor:
        import torch

        return torch.from_numpy(through(self._head, np.asarray(self._clip.images(images).cpu())))
