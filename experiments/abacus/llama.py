"""A Llama (Touvron et al. 2023) small enough to train in minutes, with transformers' parameter names.

It computes what `transformers.LlamaForCausalLM` computes, in fewer operations, and decodes large batches over a
preallocated key-value cache. Shapes: B sequences, T tokens, H heads of D dimensions, W = H * D.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import vocabulary


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of the model; the defaults have 1.1 million parameters."""

    width: int = 128
    layers: int = 4
    heads: int = 4
    inner: int = 512
    theta: float = 10_000.0
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Dimensions of one attention head."""
        return self.width // self.heads


class Cache:
    """Keys and values of B left-padded sequences, preallocated for `capacity` columns."""

    def __init__(self, shape: Shape, first: Tensor, capacity: int) -> None:
        """`first` [B] is the column of each sequence's first token; the columns before it are padding."""
        size = (shape.layers, len(first), shape.heads, capacity, shape.head_width)
        self.keys, self.values = torch.zeros(size, device=first.device), torch.zeros(size, device=first.device)
        self.shape, self.first, self.length = shape, first, 0

    def mask(self, width: int) -> Tensor:
        """Which columns each of the next `width` columns may attend to: bool [B, 1, width, length + width]."""
        column = torch.arange(self.length + width, device=self.first.device)
        row = column[self.length :, None]
        seen = (column <= row) & (column >= self.first[:, None, None])
        return (seen | (column == row))[:, None]

    def keep(self, rows: Tensor) -> None:
        """Drop all sequences but `rows`, bool [B]."""
        self.keys, self.values, self.first = self.keys[:, rows], self.values[:, rows], self.first[rows]

    def spread(self, rows: Tensor, capacity: int) -> Cache:
        """A cache of `capacity` columns for the sequences `rows`, int [B], each as often as it is named."""
        wider = Cache(self.shape, self.first[rows], capacity)
        wider.keys[..., : self.length, :] = self.keys[:, rows, :, : self.length]
        wider.values[..., : self.length, :] = self.values[:, rows, :, : self.length]
        wider.length = self.length
        return wider


class Norm(nn.Module):
    """Root mean square norm (Zhang and Sennrich 2019)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class Attention(nn.Module):
    """Multi-head attention with rotary positions (Su et al. 2021)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(shape.width, shape.width, bias=False) for _ in range(4)
        )

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor], cache: Cache | None, layer: int, mask: Tensor | None
    ) -> Tensor:
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = _rotated(q, rotary), _rotated(k, rotary)
        if cache is not None:
            end = cache.length + x.shape[1]
            cache.keys[layer, :, :, cache.length : end] = k
            cache.values[layer, :, :, cache.length : end] = v
            k, v = cache.keys[layer, :, :, :end], cache.values[layer, :, :, :end]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn, self.mlp = Attention(shape), FeedForward(shape)
        self.input_layernorm = Norm(shape.width, shape.epsilon)
        self.post_attention_layernorm = Norm(shape.width, shape.epsilon)

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor], cache: Cache | None, layer: int, mask: Tensor | None
    ) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotary, cache, layer, mask)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Backbone(nn.Module):
    """Token ids to hidden states."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(vocabulary.SIZE, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.epsilon)
        angle = torch.outer(
            torch.arange(2 * vocabulary.MAX_LENGTH), shape.theta ** -torch.arange(0, 1, 2 / shape.head_width)
        )
        self.register_buffer("cosine", torch.cat((angle, angle), -1).cos(), persistent=False)
        self.register_buffer("sine", torch.cat((angle, angle), -1).sin(), persistent=False)

    def forward(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Hidden states [B, T, W] of ids [B, T], which follow what the cache holds."""
        begin, end = (0, ids.shape[1]) if cache is None else (cache.length, cache.length + ids.shape[1])
        rotary = self.get_buffer("cosine")[begin:end], self.get_buffer("sine")[begin:end]
        mask = None if cache is None else cache.mask(ids.shape[1])
        x = self.embed_tokens(ids)
        for index, layer in enumerate(self.layers):
            x = layer(x, rotary, cache, index, mask)
        if cache is not None:
            cache.length = end
        hidden: Tensor = self.norm(x)
        return hidden


class Generator(nn.Module):
    """The language model: hidden states to logits over the vocabulary."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.model = Backbone(shape)
        self.lm_head = nn.Linear(shape.width, vocabulary.SIZE, bias=False)
        _initialise(self)

    def forward(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits [B, T, vocabulary] of ids [B, T]."""
        logits: Tensor = self.lm_head(self.model(ids, cache))
        return logits


class StepScorer(nn.Module):
    """The process reward model: hidden states to two logits, class 1 where the answer can still be reached."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.model = Backbone(shape)
        self.score = nn.Linear(shape.width, 2, bias=False)
        _initialise(self)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits [B, T, 2] of ids [B, T]; those at the step marks count."""
        logits: Tensor = self.score(self.model(ids))
        return logits


def _initialise(module: nn.Module) -> None:
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(
                parameter, std=0.02 if parameter.shape[0] == vocabulary.SIZE else parameter.shape[1] ** -0.5 / 2
            )


def _rotated(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = rotary
    left, right = x.chunk(2, -1)
    return x * cosine + torch.cat((-right, left), -1) * sine
