"""A model of random weights for each supported type, of every kind of layer it has, with windows of a few tokens."""

from __future__ import annotations

import copy
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

WORDS = 96
SIZES = {
    "vocab_size": WORDS,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
MIXED = {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
LOCAL_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 16}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
LOCAL = {"rope_type": "default", "rope_theta": 10.0}
GLOBAL = {"rope_type": "default", "rope_theta": 1e4}
BY_TYPE = {"rope_parameters": {"sliding_attention": LOCAL, "full_attention": GLOBAL}}
KINDS: dict[str, dict[str, Any]] = {
    "llama": {"rope_parameters": LLAMA3},
    "mistral": {"sliding_window": 6, "head_dim": 16},
    "qwen2": {"use_sliding_window": True, **MIXED},
    "qwen3": {"head_dim": 32, "use_sliding_window": True, **MIXED},
    "gemma": {"head_dim": 32},
    "gemma2": {"head_dim": 32, "attn_logit_softcapping": 5.0, **MIXED},
    "gemma3_text": {"head_dim": 32, **MIXED, **BY_TYPE},
    "vaultgemma": {"head_dim": 32, "attn_logit_softcapping": 5.0, **MIXED},
    "phi": {},
    "phi3": {"sliding_window": 6, "rope_parameters": {**GLOBAL, "partial_rotary_factor": 0.75}},
    "smollm3": {"no_rope_layers": [1, 0]},
    "qwen2_moe": {**EXPERTS, "shared_expert_intermediate_size": 32},
    "qwen3_moe": {**EXPERTS, "head_dim": 32, "use_sliding_window": True, "sliding_window": 6},
    "mixtral": {**LOCAL_EXPERTS, "sliding_window": 6, "head_dim": 16},
    "olmo": {},
    "olmo2": {},
    "olmo3": {**MIXED, **BY_TYPE},
    "olmoe": {"num_experts": 4, "num_experts_per_tok": 2},
    "granite": {"attention_multiplier": 0.25},
    "granitemoe": {**LOCAL_EXPERTS, "attention_multiplier": 0.25},
    "starcoder2": {"sliding_window": 6},
    "cohere": {"logit_scale": 1.0},
    "cohere2": {"logit_scale": 1.0, **MIXED},
    "glm": {"head_dim": 16},
    "glm4": {"head_dim": 16},
    "glm4_moe": {"head_dim": 16, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    "exaone4": {"head_dim": 16, **MIXED},
    "helium": {"head_dim": 16},
    "ernie4_5": {"head_dim": 16},
    "gpt_oss": {**LOCAL_EXPERTS, "head_dim": 16, "max_position_embeddings": 64, "rope_parameters": YARN, **MIXED},
    "seed_oss": {"head_dim": 16},
}


def tiny(kind: str, seed: int = 0, **settings: Any) -> Any:
    """A model in float32, in evaluation mode; `settings` are of its config."""
    config = AutoConfig.for_model(kind, **{**SIZES, **KINDS.get(kind, {}), **settings})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval().requires_grad_(False)


def halved(model: Any) -> Any:
    """A copy whose weights are bfloat16; what is not a weight, as the frequencies of positions, is as it was."""
    other = copy.deepcopy(model)
    for weights in other.parameters():
        weights.data = weights.data.bfloat16()
    return other
