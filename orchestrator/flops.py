"""Floating-point operations of a transformer, from its configuration.

Counts a multiply-add as two operations. Dense and mixture-of-experts layers, grouped-query and compressed (latent)
attention and sliding windows are covered; embedding look-ups and normalisations are left out, as is usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

GATED_ACTIVATIONS = ("silu", "swish", "swiglu", "geglu", "gelu_pytorch_tanh")


class LatentAttention(BaseModel):
    """The sizes of attention with compressed keys and values (DeepSeek-AI 2024, DeepSeek-V2, section 2.1).

    Counted as the model is written, keys and values expanded again; engines that fold the expansion into the queries
    do other arithmetic for the same result.

    Args:
        query_rank: of the compressed queries; 0 where they are not compressed.
        rank: of the compressed keys and values.
        rotary: the part of a head's key that carries the position and is shared by all heads.
        value_size: of a head's value.
    """

    model_config = ConfigDict(frozen=True)
    query_rank: NonNegativeInt = 0
    rank: PositiveInt
    rotary: NonNegativeInt
    value_size: PositiveInt

    def weights(self, hidden: int, heads: int, head_size: int) -> int:
        """Weights of one layer's projections; `head_size` is that of a key, its rotary part included."""
        keys = heads * head_size
        query = self.query_rank * (hidden + keys) if self.query_rank else hidden * keys
        down = hidden * (self.rank + self.rotary)
        up = self.rank * heads * (head_size - self.rotary + self.value_size)
        return query + down + up + heads * self.value_size * hidden


class ModelShape(BaseModel):
    """The sizes of a model that decide its cost.

    Args:
        head_size: of a key; of a value too, unless `latent` says otherwise.
        dense_layers: layers without experts, where the model has any.
        shared_ffn: width of Qwen2-MoE's shared expert, which has a gate of its own.
    """

    model_config = ConfigDict(frozen=True)
    hidden: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    kv_heads: PositiveInt
    head_size: PositiveInt
    ffn: NonNegativeInt
    vocabulary: PositiveInt
    ffn_matrices: int = 3
    experts: NonNegativeInt = 0
    experts_per_token: NonNegativeInt = 0
    shared_experts: NonNegativeInt = 0
    expert_ffn: NonNegativeInt = 0
    dense_layers: NonNegativeInt | None = None
    window: PositiveInt | None = None
    shared_ffn: NonNegativeInt = 0
    latent: LatentAttention | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read a transformers ``config.json``: Llama, Mistral, Qwen2, Qwen2-MoE, Qwen3, Mixtral, DeepSeek and alike."""
        hidden, heads = config["hidden_size"], config["num_attention_heads"]
        experts = config.get("num_local_experts") or config.get("num_experts") or config.get("n_routed_experts") or 0
        return cls(
            hidden=hidden,
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_size=_key_size(config),
            ffn=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            ffn_matrices=3 if config.get("hidden_act", "silu") in GATED_ACTIVATIONS else 2,
            experts=experts,
            experts_per_token=config.get("num_experts_per_tok") or 0,
            shared_experts=config.get("n_shared_experts") or 0,
            expert_ffn=(config.get("moe_intermediate_size") or config["intermediate_size"]) if experts else 0,
            dense_layers=_dense_layers(config) if experts else None,
            window=config.get("sliding_window") if config.get("use_sliding_window", True) else None,
            shared_ffn=config.get("shared_expert_intermediate_size") or 0,
            latent=_latent(config),
        )

    def linear_per_token(self) -> int:
        """Operations of the linear layers for one token, unembedding apart."""
        if self.latent is None:
            attention = 2 * self.hidden * (self.heads + self.kv_heads) * self.head_size
        else:
            attention = self.latent.weights(self.hidden, self.heads, self.head_size)
        dense_layers = self.layers if self.dense_layers is None else self.dense_layers
        moe_layers = self.layers - dense_layers
        dense = self.ffn_matrices * self.hidden * self.ffn * dense_layers
        active = self.experts_per_token + self.shared_experts
        width = self.expert_ffn * active + self.shared_ffn
        gates = self.experts + (1 if self.shared_ffn else 0)
        expert = self.hidden * (self.ffn_matrices * width + gates) * moe_layers
        return 2 * (self.layers * attention + dense + expert)

    def attention(self, start: int, count: int) -> int:
        """Operations of attention for `count` tokens computed after `start` tokens of context."""
        context = count * start + count * (count + 1) // 2
        if self.window is not None and start + count > self.window:
            growing = max(0, self.window - start)
            inside = growing * start + growing * (growing + 1) // 2
            context = inside + (count - growing) * self.window
        value_size = self.head_size if self.latent is None else self.latent.value_size
        return 2 * self.heads * (self.head_size + value_size) * self.layers * context

    def generation(self, prompt: int, cached: int, completion: int) -> int:
        """Operations of generating `completion` tokens after `prompt` tokens, `cached` of them free.

        The last token is sampled but never fed back, so it costs an unembedding and no more.
        """
        computed = max(0, prompt - cached) + max(0, completion - 1)
        return self.reading(cached + computed, cached) + self.unembedding * completion

    @property
    def unembedding(self) -> int:
        """Operations of predicting one token from the last hidden state."""
        return 2 * self.hidden * self.vocabulary

    def reading(self, prompt: int, cached: int = 0) -> int:
        """Operations of reading `prompt` tokens without sampling, as a reward model does."""
        computed = max(0, prompt - cached)
        return computed * self.linear_per_token() + self.attention(cached, computed)


def _key_size(config: Mapping[str, Any]) -> int:
    if config.get("kv_lora_rank"):
        return int(config["qk_nope_head_dim"] + config["qk_rope_head_dim"])
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def _latent(config: Mapping[str, Any]) -> LatentAttention | None:
    if not config.get("kv_lora_rank"):
        return None
    return LatentAttention(
        query_rank=config.get("q_lora_rank") or 0,
        rank=config["kv_lora_rank"],
        rotary=config["qk_rope_head_dim"],
        value_size=config["v_head_dim"],
    )


def _dense_layers(config: Mapping[str, Any]) -> int:
    """Layers without experts: the first ones of DeepSeek, those between and those named of Qwen's."""
    first, every = config.get("first_k_dense_replace") or 0, config.get("moe_layer_freq") or 1
    step, named = config.get("decoder_sparse_step") or 1, config.get("mlp_only_layers") or ()
    layers = range(config["num_hidden_layers"])
    return sum(i < first or i % every != 0 or (i + 1) % step != 0 or i in named for i in layers)


class ParameterCount(BaseModel):
    """A model of which only the number of active parameters is known: two operations each a token.

    After Kaplan et al. 2020 (section 2.1); attention to the context is left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    parameters: PositiveInt
    unembedding: ClassVar[int] = 0

    def generation(self, prompt: int, cached: int, completion: int) -> int:
        """Operations of generating `completion` tokens after `prompt` tokens, `cached` of them free."""
        return 2 * self.parameters * (max(0, prompt - cached) + completion)

    def reading(self, prompt: int, cached: int = 0) -> int:
        """Operations of reading `prompt` tokens without sampling."""
        return 2 * self.parameters * max(0, prompt - cached)
