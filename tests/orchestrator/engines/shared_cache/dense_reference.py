"""Every view recomputed by the book: keys without positions, turned in float64 to where the view puts them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface

NEIGHBOURS = {"cohere", "cohere2", "glm", "glm4", "helium", "ernie4_5"}
"""Model types whose pairs of dimensions stand side by side."""
STILL_BEYOND_WINDOWS = {"cohere2", "exaone4"}
"""Model types whose layers without a window have no positions."""


@dataclass(frozen=True)
class Reading:
    """Tokens that are written to the last block of a view, blocks being named across all groups."""

    tokens: tuple[int, ...]
    view: tuple[Any, ...]


@dataclass
class Dense:
    """A float64 copy of a model; its norms and routers still compute in float32 where its class says so.

    Args:
        model: a transformers model for causal language modelling.
    """

    model: Any
    _keys: dict[tuple[Any, int], Tensor] = field(default_factory=dict)
    _values: dict[tuple[Any, int], Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        AttentionInterface.register("dense_reference", _attention)
        AttentionMaskInterface.register("dense_reference", lambda *_, **__: None)
        self.model = copy.deepcopy(self.model).double()
        self.model.set_attn_implementation("dense_reference")
        self.model.set_experts_implementation("eager")

    @torch.inference_mode()
    def logits(self, readings: Sequence[Reading]) -> Tensor:
        """Those after the last token of each reading, ``[readings, vocabulary]``."""
        ids = torch.tensor([[token for reading in readings for token in reading.tokens]])
        ends = torch.tensor([len(reading.tokens) for reading in readings]).cumsum(0) - 1
        output = self.model(ids, position_ids=torch.zeros_like(ids), use_cache=False, dense=self, readings=readings)
        return output.logits[0, ends]

    def attend(
        self, layer: int, heads: tuple[Tensor, Tensor, Tensor], readings: Sequence[Reading], how: _How
    ) -> Tensor:
        """``[T, heads, head_size]`` of queries, keys and values ``[heads, T, head_size]`` without positions."""
        query, key, value = heads
        spans, first = [], 0
        for reading in readings:
            spans.append(slice(first, first := first + len(reading.tokens)))
            block = (reading.view[-1], layer)
            empty = key[:, :0]
            self._keys[block] = torch.cat((self._keys.get(block, empty), key[:, spans[-1]]), dim=1)
            self._values[block] = torch.cat((self._values.get(block, empty), value[:, spans[-1]]), dim=1)
        mixed = []
        for reading, span in zip(readings, spans, strict=True):
            blocks = [(block, layer) for block in reading.view if (block, layer) in self._keys]
            keys, values = (torch.cat([held[block] for block in blocks], dim=1) for held in (self._keys, self._values))
            mixed.append(how.mixed(query[:, span], keys, values))
        return torch.cat(mixed, dim=1).transpose(0, 1)


@dataclass(frozen=True)
class _How:
    """One layer's attention over a text: the last tokens of it ask."""

    frequencies: Tensor | None
    are_neighbours: bool
    scaling: float
    window: int | None
    softcap: float | None
    sinks: Tensor | None

    def mixed(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        heads, asking, length = len(query), query.shape[1], keys.shape[1]
        places = torch.arange(length)
        asked = places[length - asking :]
        keys = self.turned(keys, places).repeat_interleave(heads // len(keys), dim=0)
        values = values.repeat_interleave(heads // len(values), dim=0)
        scores = self.scaling * self.turned(query, asked) @ keys.transpose(1, 2)
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        back = asked[:, None] - places
        is_hidden = back < 0 if self.window is None else (back < 0) | (back >= self.window)
        weights = scores.masked_fill(is_hidden, -torch.inf).exp()
        total = weights.sum(dim=-1, keepdim=True)
        if self.sinks is not None:
            total = total + self.sinks.exp()[:, None, None]
        return weights / total @ values

    def turned(self, heads: Tensor, positions: Tensor) -> Tensor:
        if self.frequencies is None:
            return heads
        angles = positions.double()[:, None] * self.frequencies
        cos, sin = angles.cos(), angles.sin()
        turning, rest = heads[..., : 2 * len(self.frequencies)], heads[..., 2 * len(self.frequencies) :]
        if self.are_neighbours:
            x, y = turning[..., 0::2], turning[..., 1::2]
            return torch.cat((torch.stack((x * cos - y * sin, y * cos + x * sin), dim=-1).flatten(-2), rest), dim=-1)
        x, y = turning.chunk(2, dim=-1)
        return torch.cat((x * cos - y * sin, y * cos + x * sin, rest), dim=-1)


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dense: Dense,
    readings: Sequence[Reading],
    scaling: float,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    kind = module.config.model_type
    is_still = not getattr(module, "use_rope", True) or (kind in STILL_BEYOND_WINDOWS and sliding_window is None)
    frequencies = None if is_still else _frequencies(dense.model, module)
    how = _How(frequencies, kind in NEIGHBOURS, scaling, sliding_window, softcap, s_aux)
    heads = (query[0].double(), key[0].double(), value[0].double())
    return dense.attend(module.layer_idx, heads, readings, how)[None], None


def _frequencies(model: Any, module: Any) -> Tensor:
    rotary = model.model.rotary_emb
    kind = getattr(module, "layer_type", None) or getattr(module, "attention_type", None)
    name = f"{kind}_inv_freq"
    found: Tensor = getattr(rotary, name if hasattr(rotary, name) else "inv_freq")
    return found.double()
