"""Attention over a shared cache: queries are turned to each page, keys stay as they were written."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from .forward_pass import ForwardPass, Group
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
    is_plain = spec.softcap is None and spec.sinks is None and not query.is_cuda
    whole, rest = paired(key[0], spec.rope.pairs, spec.pairs)
    keys = turned(whole, rest, shared_pass.local_turns(spec.rope), key.dtype)
    turning, still = paired(query[0].float() * scaling, spec.rope.pairs, spec.pairs)
    mixed = []
    for i, group in enumerate(shared_pass.groups):
        here = group.columns
        _write(group.slab, layer, shared_pass.places[i], keys[:, here], value[0][:, here])
        bias, turns = shared_pass.bias(i, spec.window), shared_pass.query_turns(i, spec.rope)
        along = _along_chain if is_plain and group.slab.is_chain else partial(_attended, spec=spec)
        for part in group.parts:
            there = slice(here.start + part.start, here.start + part.stop)
            left = None if still is None else still[:, there]
            rows = turned(turning[:, there], left, turns[:, :, part], query.dtype)
            seen = None if bias is None else bias[:, :, part]
            mixed.append(along(rows, group, layer, seen))
    return torch.cat(mixed, dim=1).transpose(0, 1)[None], None


def _write(slab: Slab, layer: int, places: Tensor, keys: Tensor, values: Tensor) -> None:
    """Put new keys and values, ``[kv_heads, T, head_size]``, at their places."""
    flat, pages, offsets = places.unbind()
    slab.keys[layer][pages, :, offsets] = keys.transpose(0, 1)
    slab.values[layer][:, flat] = values


def _along_chain(rows: Tensor, group: Group, layer: int, bias: Tensor | None) -> Tensor:
    """The same as `_attended` where the slab is one chain: keys and values are one matrix a head.

    Not for GPUs: there torch may take cuDNN's attention, which plans each length of a text anew, for milliseconds.
    """
    keys, values = group.slab.keys[layer][:, :, : group.width], group.slab.values[layer][None, :, : group.width]
    return scaled_dot_product_attention(rows, keys, values, bias, scale=1.0, enable_gqa=True)[0]


def _attended(rows: Tensor, group: Group, layer: int, bias: Tensor | None, spec: LayerSpec) -> Tensor:
    """The values that the queries see, mixed: ``[heads, T, head_size]``.

    Args:
        rows: queries turned to each page, ``[N, heads, T, head_size]``.
        bias: ``[N, 1, T, P]``; None where all is seen.
    """
    pages, heads, tokens, size = rows.shape
    width, values = group.width, group.slab.values[layer][:, : pages * group.width]
    kv_heads, sharing = len(values), heads // len(values)
    keys = group.slab.keys[layer][:pages, :, :width].flatten(0, 1)
    scores = torch.bmm(rows.reshape(pages * kv_heads, sharing * tokens, size), keys.transpose(1, 2)).float()
    scores = scores.view(pages, kv_heads, sharing, tokens, width)
    if spec.softcap is not None:
        scores = spec.softcap * torch.tanh(scores / spec.softcap)
    if bias is not None:
        scores = scores.add_(bias[:, None])
    scores = scores.permute(1, 2, 3, 0, 4).reshape(kv_heads, sharing * tokens, -1)
    if spec.sinks is None:
        shares = torch.softmax(scores, dim=-1)
    else:
        sinks = spec.sinks.float().view(kv_heads, sharing, 1).expand(-1, -1, tokens).reshape(kv_heads, -1, 1)
        shares = torch.softmax(torch.cat((scores, sinks), dim=-1), dim=-1)[..., :-1]
    return torch.bmm(shares.to(values.dtype), values).view(heads, tokens, size)
