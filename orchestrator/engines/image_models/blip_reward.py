"""How people would rank an image among others of one prompt: ImageReward."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...errors import EngineRefused
from ...images import Image
from .preprocessing import Preprocessing
from .torch_image_model import TorchImageModel, TorchImageModelSpec, require, tokenizer_in
from .weights import arrays, linear, through

if TYPE_CHECKING:
    import torch

WEIGHTS = "model.safetensors"
PROMPT_TOKENS = 35
MEAN, STD = 0.16717362830052426, 1.0333394966054072
VISION = (
    (r"^patch_embed\.proj", "embeddings.patch_embedding"),
    (r"^pos_embed$", "embeddings.position_embedding"),
    (r"^cls_token$", "embeddings.class_embedding"),
    (r"^blocks\.", "encoder.layers."),
    (r"\.attn\.proj\.", ".self_attn.projection."),
    (r"\.attn\.", ".self_attn."),
    (r"\.norm([12])\.", r".layer_norm\1."),
    (r"^norm\.", "post_layernorm."),
)
"""What transformers calls the weights of BLIP's image encoder; those of its text encoder have one name."""


class BlipReward(TorchImageModelSpec):
    """The ImageReward score, about normal with mean 0 and variance 1: BLIP reads the prompt with the image in view, and
    linear layers rate it.

    Source: Xu et al. 2023, arXiv 2304.05977, and the published code: 35 tokens of the prompt, the first
    state of the text encoder, layers without activations between them, and its mean and deviation.

    Args:
        model: a folder with ``model.safetensors`` (the published state dict: ``blip.visual_encoder...``,
            ``blip.text_encoder...``, ``mlp.layers...``), a ``config.json`` of transformers' BlipConfig (theirs: image
            size 224, patch size 16, width 1024, 24 layers, 16 heads, layer_norm_eps 1e-6; text of width 768 and
            encoder_hidden_size 1024), the tokenizer of BERT with ``[DEC]`` and ``[ENC]`` added, and a
            ``preprocessor_config.json`` (theirs: as CLIP's, to 224 pixels).
    """

    kind: Literal["image_reward"] = "image_reward"

    def load(self) -> BlipRewardModel:
        """The model.

        Raises:
            EngineRefused: it is not there, or is another one.
        """
        require(self.folder)
        return BlipRewardModel(self)


class BlipRewardModel(TorchImageModel):
    """The model of a `BlipReward`."""

    def __init__(self, spec: BlipReward) -> None:
        super().__init__(spec, spec.named())
        folder = spec.folder
        found = arrays(folder / WEIGHTS)
        self._vision, self._text = _encoders(folder, found, self._device)
        self._head = linear(found, "mlp.layers.", self._text.config.hidden_size)
        self._preprocessing, self._tokenizer = Preprocessing.of(folder), tokenizer_in(folder)
        self.measure()

    def told(self, images: Sequence[Image], prompt: str) -> torch.Tensor:
        import torch

        seen = self._vision(pixel_values=self._preprocessing(images).to(self._device)).last_hidden_state
        shape = {"padding": "max_length", "truncation": True, "max_length": PROMPT_TOKENS}
        said = self._tokenizer([prompt] * len(images), return_tensors="pt", **shape).to(self._device)
        read = self._text(
            input_ids=said.input_ids,
            attention_mask=said.attention_mask,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:-1], dtype=torch.long, device=self._device),
        )
        rated = through(self._head, np.asarray(read.last_hidden_state[:, 0].cpu()))
        return torch.from_numpy((rated - MEAN) / STD)


def _encoders(folder: Path, found: Mapping[str, Any], device: str) -> tuple[Any, Any]:
    """BLIP's encoders of images and of text, with their weights.

    Raises:
        EngineRefused: some are not there, or of another shape.
    """
    from transformers import BlipConfig, BlipTextModel, BlipVisionModel

    try:
        config = BlipConfig.from_dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError) as error:
        raise EngineRefused(f"{folder / 'config.json'} must be a BlipConfig, but: {error}; save one") from None
    vision = BlipVisionModel(config.vision_config)
    text = BlipTextModel(config.text_config, add_pooling_layer=False)
    _fill(vision, {_renamed(key): each for key, each in _under("blip.visual_encoder.", found).items()})
    _fill(text, _under("blip.text_encoder.", found))
    return vision.to(device).eval(), text.to(device).eval()


def _under(prefix: str, found: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(prefix): each for key, each in found.items() if key.startswith(prefix)}


def _renamed(key: str) -> str:
    for pattern, name in VISION:
        key = re.sub(pattern, name, key)
    return key


def _fill(model: Any, weights: Mapping[str, Any]) -> None:
    """Load all of a model's weights; those that it does not have are left aside.

    Raises:
        EngineRefused: one is missing, or of another shape.
    """
    import torch

    name = type(model).__name__
    try:
        tensors = {key: torch.from_numpy(np.array(each, np.float32)) for key, each in weights.items()}
        missing = model.load_state_dict(tensors, strict=False).missing_keys
    except RuntimeError as error:
        why = " ".join(str(error).split())[:300]
        raise EngineRefused(f"weights must fit the config.json beside them, but of {name}: {why}") from None
    if missing:
        raise EngineRefused(f"{WEIGHTS} must hold all weights of {name}, but lacks {len(missing)}, e.g. {missing[0]}")
