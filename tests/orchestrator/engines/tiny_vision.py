"""Tiny CLIP, BLIP and LLaVA models of random weights, saved as transformers saves them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForQuestionAnswering,
    BlipTextModel,
    BlipVisionModel,
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from ponder.orchestrator.images import Image

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "yes", "no", "does", "this", "show", "cat", "dog", "a")
SIDE = 16
TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**TOWER, "image_size": SIDE, "patch_size": 8}
CLIP_TEXT = {"vocab_size": 64, "max_position_embeddings": 12, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
BLIP_TEXT = {
    "vocab_size": len(WORDS),
    "max_position_embeddings": 40,
    "encoder_hidden_size": 16,
    "pad_token_id": 0,
    "bos_token_id": 5,
    "sep_token_id": 3,
    "num_attention_heads": 2,
}
TEMPLATE = (
    "{% for message in messages %}user : {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} assistant :{% endif %}"
)
NAMES = (
    (r"^embeddings\.patch_embedding", "patch_embed.proj"),
    (r"^embeddings\.position_embedding$", "pos_embed"),
    (r"^embeddings\.class_embedding$", "cls_token"),
    (r"^encoder\.layers\.", "blocks."),
    (r"\.self_attn\.projection\.", ".attn.proj."),
    (r"\.self_attn\.", ".attn."),
    (r"\.layer_norm([12])\.", r".norm\1."),
    (r"^post_layernorm\.", "norm."),
)
"""What BLIP's own code calls the weights of its image encoder."""


def image(height: int, width: int, channels: int = 1, seed: int = 0) -> Image:
    return Image.of(np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8))


def processor(folder: Path, **settings: Any) -> None:
    """The settings of CLIP's image processor for images of 16 pixels."""
    told = {
        "do_resize": True,
        "size": {"shortest_edge": SIDE},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_normalize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "CLIPImageProcessor",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(told | settings))


def clip(folder: Path) -> CLIPModel:
    torch.manual_seed(1)
    model = CLIPModel(CLIPConfig(text_config={**TOWER, **CLIP_TEXT}, vision_config=VISION, projection_dim=8)).eval()
    model.save_pretrained(folder)
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *(f"{letter}</w>" for letter in LETTERS[:20]), *LETTERS]
    CLIPTokenizer(vocab={token: i for i, token in enumerate(vocabulary)}, merges=[]).save_pretrained(folder)
    processor(folder)
    return model


def blip_config() -> BlipConfig:
    return BlipConfig(text_config={**TOWER, **BLIP_TEXT}, vision_config=VISION, projection_dim=8)


def bert(folder: Path) -> None:
    BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)}).save_pretrained(folder)


def blip_vqa(folder: Path) -> BlipForQuestionAnswering:
    torch.manual_seed(2)
    model = BlipForQuestionAnswering(blip_config()).eval()
    model.save_pretrained(folder)
    bert(folder)
    processor(folder, size={"height": SIDE, "width": SIDE}, do_center_crop=False)
    return model


def image_reward(folder: Path) -> tuple[BlipVisionModel, BlipTextModel, dict[str, torch.Tensor]]:
    """Weights under the names of ImageReward's published state dict, and what they are the weights of."""
    torch.manual_seed(3)
    config = blip_config()
    vision = BlipVisionModel(config.vision_config).eval()
    text = BlipTextModel(config.text_config, add_pooling_layer=False).eval()
    held = {f"blip.visual_encoder.{published(key)}": each for key, each in vision.state_dict().items()}
    held |= {f"blip.text_encoder.{key}": each for key, each in text.state_dict().items()}
    head = layers("mlp.layers.", (16, 8, 4, 1), (0, 2, 4))
    config.save_pretrained(folder)
    save_file({key: each.contiguous() for key, each in (held | head).items()}, folder / "model.safetensors")
    bert(folder)
    processor(folder)
    return vision, text, head


def layers(prefix: str, sizes: tuple[int, ...], numbers: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Dense layers as torch holds those of a Sequential, whose other places have no weights."""
    found = {}
    for number, size, after in zip(numbers, sizes[:-1], sizes[1:], strict=True):
        found[f"{prefix}{number}.weight"] = torch.randn(after, size)
        found[f"{prefix}{number}.bias"] = torch.randn(after)
    return found


def published(key: str) -> str:
    for pattern, name in NAMES:
        key = re.sub(pattern, name, key)
    return key


def llava(folder: Path) -> LlavaForConditionalGeneration:
    """A model that writes text about an image, and its processor."""
    torch.manual_seed(4)
    words = [
        "[PAD]",
        "[UNK]",
        "<image>",
        *["Yes", "No", "user", ":", "assistant", "does", "this", "show", "cat", "dog", "a"],
    ]
    text = {**TOWER, "model_type": "llama", "vocab_size": len(words), "num_key_value_heads": 2, "pad_token_id": 0}
    vision = {**VISION, "model_type": "clip_vision_model", "projection_dim": 8}
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=2, image_seq_length=4)
    model = LlavaForConditionalGeneration(config).eval()
    model.save_pretrained(folder)
    split = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, "[UNK]"))
    split.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=split, pad_token="[PAD]", unk_token="[UNK]", additional_special_tokens=["<image>"]
    )
    shown = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    options = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    LlavaProcessor(shown, tokenizer, chat_template=TEMPLATE, **options).save_pretrained(folder)
    return model
