"""Attention over a shared cache: queries are turned to each page, keys stay as they were written."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .forward_pass import ForwardPass
from .layer_spec import LayerSpec
from .rope import paired, turned
from .slab import Slab

NAME = "ponder_shared_cache"


def shared_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    shared_pass: ForwardPass,
    shared_layers: tuple[LayerSpec, ...],
    **others: Any,
) -> tuple[Tensor, None]:
    """One layer's attention of one pass, as a function of transformers' attention interface.

    Queries and keys come unrotated, as the model was told that every position is 0.

    Args:
        query: ``[1, heads, T, head_size]``.
        key: ``[1, kv_heads, T, head_size]``, as is `value`.
        attention_mask: None; the pass knows what is seen.
        scaling: of the scores.
        shared_pass: where tokens are written and what they see.
        shared_layers: of the whole model.

    Returns:
        ``[1, T, heads, head_size]``, and None for the weights.
    """
    layer, spec = int(module.layer_idx), shared_layers[int(module.layer_idx)]  # type: ignore[arg-type]
    heads, kv_heads, size = query.shape[1], key.shape[1], value.shape[-1]
    whole, rest = paired(key[0], spec.rope.pairs, spec.pairs)
    keys = turned(whole, rest, shared_pass.local_turns(spec.rope), key.dtype)
    turning, still = paired(query[0] * scaling, spec.rope.pairs, spec.pairs)
    out = query.new_empty(query.shape[2], heads, size)
    for i, group in enumerate(shared_pass.groups):
        here, slab = group.columns, group.slab
        _write(slab, layer, group.places, keys[:, here], value[0][:, here])
        left = None if still is None else still[:, here]
        rows = turned(turning[:, here], left, shared_pass.query_turns(i, spec.rope)[:, None], query.dtype)
        bias = shared_pass.bias(i, spec.window)
        mixed = _attended(rows.view(len(rows), kv_heads, -1, *rows.shape[2:]), slab, layer, bias, spec)
        out[here] = mixed.view(heads, -1, size).transpose(0, 1)
    return out[None], None


def _write(slab: Slab, layer: int, places: Tensor, keys: Tensor, values: Tensor) -> None:
    """Put new keys and values, ``[kv_heads, T, head_size]``, at their places."""
    size = slab.page_size
    slab.keys[layer][places // size, :, places % size] = keys.transpose(0, 1)
    slab.values[layer][:, places] = values


def _attended(rows: Tensor, slab: Slab, layer: int, bias: Tensor, spec: LayerSpec) -> Tensor:
    """The values that the queries see, mixed: ``[kv_heads, heads a kv head * T, head_size]``.

    Args:
        rows: queries turned to each page, ``[N, kv_heads, heads a kv head, T, head_size]``.
        bias: ``[N, T, P]``.
    """
    pages, kv_heads, sharing, tokens, size = rows.shape
    width = bias.shape[-1]
    keys = slab.keys[layer][:pages, :, :width].flatten(0, 1)
    scores = torch.bmm(rows.reshape(pages * kv_heads, sharing * tokens, size), keys.transpose(1, 2)).float()
    scores = scores.view(pages, kv_heads, sharing, tokens, width)
    if spec.softcap is not None:
        scores = spec.softcap * torch.tanh(scores / spec.softcap)
    scores = scores.add_(bias[:, None, None]).permute(1, 2, 3, 0, 4).reshape(kv_heads, sharing * tokens, -1)
    if spec.sinks is None:
        shares = torch.softmax(scores, dim=-1)
    else:
        sinks = spec.sinks.float().view(kv_heads, sharing, 1).expand(-1, -1, tokens).reshape(kv_heads, -1, 1)
        shares = torch.softmax(torch.cat((scores, sinks), dim=-1), dim=-1)[..., :-1]
    values = slab.values[layer][:, : pages * width]
    return torch.bmm(shares.to(values.dtype), values)
