"""A small random model of the same class and kinds of layers as a large one."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch

WINDOW = 5
SMALL = {
    "vocab_size": 96,
    "intermediate_size": 64,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
}
ABSENT = ("pad_token_id", "bos_token_id", "eos_token_id", "quantization_config")


def twin_of(model: Any, chosen: Sequence[int]) -> Any:
    """A model in float32 whose layers are of the kinds of the chosen layers, in evaluation mode with eager attention.

    Heads keep their size, so that rotary positions are the same; windows are cut to `WINDOW` tokens; weights are
    random, and large enough that attention is peaked.

    Args:
        model: a transformers model for causal language modelling.
        chosen: numbers of its layers.
    """
    config = _small(model.config, chosen)
    with torch.random.fork_rng(devices=[]):
        twin = type(model)._from_config(config, dtype=torch.float32, attn_implementation="eager")
    generator = torch.Generator().manual_seed(len(chosen))
    for weights in twin.parameters():
        noise = torch.randn(weights.shape, generator=generator)
        weights.data = 1.5 * noise / math.sqrt(noise.shape[-1]) if noise.dim() > 1 else weights.data + 0.3 * noise
    return twin.to(model.device).eval().requires_grad_(False)


def _small(config: Any, chosen: Sequence[int]) -> Any:
    """A copy of a config with few layers, heads, experts and words."""
    small = copy.deepcopy(config)
    for name in ABSENT:
        if getattr(small, name, None) is not None:
            setattr(small, name, None)
    for name, value in per_layer(config).items():
        setattr(small, name, [value[i] for i in chosen])
    small.num_hidden_layers = len(chosen)
    for name, size in (*SMALL.items(), *_heads(config).items()):
        if getattr(small, name, None) is not None:
            setattr(small, name, size)
    if getattr(small, "sliding_window", None):
        small.sliding_window = WINDOW
    return small


def per_layer(config: Any) -> dict[str, Sequence[Any]]:
    """What a config says of each layer."""
    values = vars(config).items()
    return {name: v for name, v in values if isinstance(v, list | tuple) and len(v) == config.num_hidden_layers}


def _heads(config: Any) -> dict[str, int]:
    """At most two key-value heads, two heads for each where they are shared, and a width that fits."""
    heads = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    kept = min(kv_heads, 2)
    small = kept * min(heads // kv_heads, 2)
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    hidden = small * size if size * heads == config.hidden_size else 64
    return {"num_attention_heads": small, "num_key_value_heads": kept, "hidden_size": hidden}
