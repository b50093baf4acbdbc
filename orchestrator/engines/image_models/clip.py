"""CLIP in a folder of transformers: embeddings of images and of texts, of length one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...images import Image
from .preprocessing import Preprocessing
from .torch_image_model import opened, require, tokenizer_in

if TYPE_CHECKING:
    import torch


class Clip:
    """A loaded CLIP model.

    Source: Radford et al. 2021, arXiv 2103.00020.

    Args:
        folder: as transformers saves a CLIPModel, its processor and its tokenizer.
        device: runs there.

    Raises:
        EngineRefused: the folder holds no such model.
    """

    def __init__(self, folder: Path, device: str) -> None:
        require(folder)
        self._device = device
        self._preprocessing = Preprocessing.of(folder)
        self._model = opened("CLIPModel", folder, device)
        self._tokenizer = tokenizer_in(folder)

    @property
    def width(self) -> int:
        """Numbers in an embedding."""
        return int(self._model.config.projection_dim)

    def images(self, images: Sequence[Image]) -> torch.Tensor:
        """Their embeddings, ``[images, width]``."""
        pixels = self._preprocessing(images).to(self._device)
        return self._unit(self._model.get_image_features(pixel_values=pixels))

    def text(self, text: str) -> torch.Tensor:
        """Its embedding, ``[1, width]``; what goes beyond the model's context is cut off."""
        most = self._model.config.text_config.max_position_embeddings
        tokens = self._tokenizer([text], truncation=True, max_length=most, return_tensors="pt").to(self._device)
        told = self._model.get_text_features(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask)
        return self._unit(told)

    def _unit(self, told: Any) -> torch.Tensor:
        found: torch.Tensor = told.pooler_output / told.pooler_output.norm(dim=-1, keepdim=True)
        return found
