"""Floating-point operations of a transformer, from its configuration.

Counts a multiply-add as two operations. Dense and mixture-of-experts layers, grouped-query attention and
sliding windows are covered; embedding look-ups and normalisations are left out, as is usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

GATED_ACTIVATIONS = ("silu", "swish", "swiglu", "geglu", "gelu_pytorch_tanh")


class ModelShape(BaseModel):
    """The sizes of a model that decide its cost."""

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

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read a transformers ``config.json`` (Llama, Mistral, Qwen, Mixtral, DeepSeek-style names)."""
        hidden, heads = config["hidden_size"], config["num_attention_heads"]
        experts = config.get("num_local_experts") or config.get("num_experts") or config.get("n_routed_experts") or 0
        return cls(
            hidden=hidden,
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_size=config.get("head_dim") or hidden // heads,
            ffn=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            ffn_matrices=3 if config.get("hidden_act", "silu") in GATED_ACTIVATIONS else 2,
            experts=experts,
            experts_per_token=config.get("num_experts_per_tok") or 0,
            shared_experts=config.get("n_shared_experts") or 0,
            expert_ffn=(config.get("moe_intermediate_size") or config["intermediate_size"]) if experts else 0,
            dense_layers=config.get("first_k_dense_replace", 0) if experts else None,
            window=config.get("sliding_window") if config.get("use_sliding_window", True) else None,
        )

    def linear_per_token(self) -> int:
        """Operations of the linear layers for one token, unembedding apart."""
        attention = self.hidden * (self.heads + 2 * self.kv_heads) * self.head_size
        attention += self.heads * self.head_size * self.hidden
        dense_layers = self.layers if self.dense_layers is None else self.dense_layers
        moe_layers = self.layers - dense_layers
        dense = self.ffn_matrices * self.hidden * self.ffn * dense_layers
        active = self.experts_per_token + self.shared_experts
        expert = (self.ffn_matrices * self.hidden * self.expert_ffn * active + self.hidden * self.experts) * moe_layers
        return 2 * (self.layers * attention + dense + expert)

    def attention(self, start: int, count: int) -> int:
        """Operations of attention for `count` tokens computed after `start` tokens of context."""
        context = count * start + count * (count + 1) // 2
        if self.window is not None and start + count > self.window:
            growing = max(0, self.window - start)
            inside = growing * start + growing * (growing + 1) // 2
            context = inside + (count - growing) * self.window
        return 4 * self.heads * self.head_size * self.layers * context

    def generation(self, prompt: int, cached: int, completion: int) -> int:
        """Operations of generating `completion` tokens after `prompt` tokens, `cached` of them free.

        The last token is sampled but never fed back, so it costs an unembedding and no more.
        """
        computed = max(0, prompt - cached) + max(0, completion - 1)
        unembedding = 2 * self.hidden * self.vocabulary * completion
        return computed * self.linear_per_token() + self.attention(cached, computed) + unembedding

    def reading(self, prompt: int, cached: int = 0) -> int:
        """Operations of reading `prompt` tokens without sampling, as a reward model does."""
        computed = max(0, prompt - cached)
        return computed * self.linear_per_token() + self.attention(cached, computed)


class ParameterCount(BaseModel):
    """A model of which only the number of active parameters is known: two operations each a token.

    After Kaplan et al. 2020 (section 2.1); attention to the context is left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    parameters: PositiveInt

    def generation(self, prompt: int, cached: int, completion: int) -> int:
        """Operations of generating `completion` tokens after `prompt` tokens, `cached` of them free."""
        return 2 * self.parameters * (max(0, prompt - cached) + completion)

    def reading(self, prompt: int, cached: int = 0) -> int:
        """Operations of reading `prompt` tokens without sampling."""
        return 2 * self.parameters * max(0, prompt - cached)
