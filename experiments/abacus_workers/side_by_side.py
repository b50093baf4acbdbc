"""The exact computation of workers that write side by side over one cache, dense and differentiable.

Hogwild! inference (Rodionov et al. 2025, arXiv 2504.06261), the layout "contiguous": a worker sees the prompt, the
others' blocks in the order of their numbers, its private block and its own. Keys are turned (RoPE) to their place in
their block; a query is turned once for each block, by its distance to where the block starts in its worker's view *at
that time*. Token i of every worker's block is fed in the same pass, and all of an opening in one.

Shapes: B problems, W workers, P, V, T tokens of the prompts, private texts and own texts, H heads of D dimensions.
Texts are padded on the right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from abacus.llama import Generator, Layer
from torch import Tensor

Turn = tuple[Tensor, Tensor]  # cosines and sines of the angles by which queries or keys are turned
Block = tuple[Tensor, Tensor]  # keys and values, [B, H, W or 1, S, D]
View = tuple[Turn, Tensor]  # of a block: how its queries are turned, and which of its tokens are visible
Seen = tuple[Tensor, Tensor, Turn, Tensor]


@dataclass(frozen=True, slots=True)
class Texts:
    """Token ids [B, W or 1, S], padded on the right, and their lengths [B, W or 1]."""

    ids: Tensor
    lengths: Tensor


class Board:
    """What has been read and written: keys, turned to their place in their block, and values of every layer."""

    def __init__(self, model: Generator, prompts: Texts, privates: Texts, opening: int) -> None:
        """Read the prompts [B, 1, P] and the private texts [B, W, V]; a private text sees the prompt before it.

        Args:
            model: the network.
            prompts: what all workers of a problem see; P may be 0.
            privates: what one worker sees; V may be 0.
            opening: tokens of an opening, fed in one pass.
        """
        self.model, self.opening, self.length = model, opening, 0
        self.prompts, self.privates = prompts, privates
        self.prompt_blocks, self.private_blocks = list[Block](), list[Block]()
        self.own_blocks: list[Block | None] = [None] * len(model.model.layers)
        self._read(prompts.ids, self.prompt_blocks)
        self._read(privates.ids, self.private_blocks)

    def _read(self, ids: Tensor, blocks: list[Block]) -> None:
        place = torch.arange(ids.shape[-1])
        own = self._turn(place), place <= place[:, None]
        prompt = self._view(self.prompts, self.prompts.lengths[..., None] + place) if self.prompt_blocks else None
        x = self.model.model.embed_tokens(ids)
        for index, layer in enumerate(self.model.model.layers if ids.numel() else ()):
            q, k, v = projected(layer, x)
            blocks.append((turned(k, own[0]), v))
            seen = [(*blocks[index], *own)]
            if prompt:
                seen.append((*self.prompt_blocks[index], *prompt))
            x = mixed(layer, x, q, seen)

    def write(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Feed the next tokens of every worker, [B, W, N]; returns the hidden states [B, W, N, width] after them.

        Args:
            ids: the columns of the workers' blocks that follow those fed before.
            lengths: [B, W], how long the blocks are or become; what stands beyond is padding that nobody else sees.
        """
        place = torch.arange(self.length, self.length + ids.shape[-1])
        self.length += ids.shape[-1]
        there = torch.minimum(lengths[..., None], (place + 1).clamp(min=self.opening))  # [B, W, N], at a place's time
        private = self.privates.lengths[..., None] + place
        others = there.sum(1, keepdim=True) - there
        views = [self._own_view(worker, place, there, private) for worker in range(ids.shape[1])]
        prompt = self._view(self.prompts, self.prompts.lengths[..., None] + others + private)
        told = self._view(self.privates, private)
        x = self.model.model.embed_tokens(ids)
        for index, layer in enumerate(self.model.model.layers):
            q, k, v = projected(layer, x)
            k, v = self._append(index, turned(k, self._turn(place)), v)
            seen = [(k[:, :, at : at + 1], v[:, :, at : at + 1], *view) for at, view in enumerate(views)]
            seen += [(*self.prompt_blocks[index], *prompt)] if self.prompt_blocks else []
            seen += [(*self.private_blocks[index], *told)] if self.private_blocks else []
            x = mixed(layer, x, q, seen)
        hidden: Tensor = self.model.model.norm(x)
        return hidden

    def _append(self, layer: int, keys: Tensor, values: Tensor) -> Block:
        if (old := self.own_blocks[layer]) is not None:
            keys, values = torch.cat((old[0], keys), -2), torch.cat((old[1], values), -2)
        self.own_blocks[layer] = keys, values
        return keys, values

    def _own_view(self, worker: int, place: Tensor, there: Tensor, private: Tensor) -> View:
        """How every worker sees one worker's block: it starts before the later blocks, the own one excepted."""
        after = there[:, worker:].sum(1, keepdim=True) - there  # right for the workers that stand after `worker`
        earlier = there[:, worker:].sum(1, keepdim=True).expand_as(there)
        order = torch.arange(there.shape[1])[:, None]
        distance = private + torch.where(order > worker, after, earlier)
        distance[:, worker] = place
        column = torch.arange(self.length)
        visible = (column < there[:, worker, :, None])[:, None].repeat(1, there.shape[1], 1, 1)
        visible[:, worker] = column <= place[:, None]
        return self._turn(distance), visible[:, None]

    def _view(self, texts: Texts, distance: Tensor) -> View:
        """How a text that all or one worker sees whole is seen from so far behind its start."""
        column = torch.arange(texts.ids.shape[-1])
        visible = column < texts.lengths[:, None, :, None, None]
        return self._turn(distance), visible

    def _turn(self, distance: Tensor) -> Turn:
        cosine, sine = (self.model.model.get_buffer(name)[distance] for name in ("cosine", "sine"))
        return (cosine, sine) if distance.dim() == 1 else (cosine[:, None], sine[:, None])


def projected(layer: Layer, x: Tensor) -> Iterator[Tensor]:
    """Queries, keys and values, [B, H, W, T, D], not turned."""
    x, attention = layer.input_layernorm(x), layer.self_attn
    for part in (attention.q_proj, attention.k_proj, attention.v_proj):
        yield part(x).unflatten(-1, (attention.heads, -1)).movedim(-2, 1)


def turned(x: Tensor, turn: Turn) -> Tensor:
    """Rotary positions (Su et al. 2021): the halves of every head turned by the angles."""
    left, right = x.chunk(2, -1)
    return x * turn[0] + torch.cat((-right, left), -1) * turn[1]


def mixed(layer: Layer, x: Tensor, q: Tensor, seen: Sequence[Seen]) -> Tensor:
    """The layer's output: one softmax over all that its queries see."""
    scores = [
        (turned(q, turn) @ keys.transpose(-1, -2)).masked_fill(~visible, -torch.inf) for keys, _, turn, visible in seen
    ]
    chances = (torch.cat(scores, -1) * q.shape[-1] ** -0.5).softmax(-1).split([one.shape[-1] for one in scores], -1)
    read = sum(chance @ values for chance, (_, values, _, _) in zip(chances, seen, strict=True))
    x = x + layer.self_attn.o_proj(read.movedim(1, -2).flatten(-2))
    out: Tensor = x + layer.mlp(layer.post_attention_layernorm(x))
    return out
