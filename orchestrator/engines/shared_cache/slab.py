"""A slab: the keys and values of one group of workers, in pages that belong to blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...errors import EngineUnavailable

Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CacheShape:
    """What one token takes in the cache: the same for every layer.

    Args:
        layers: of the model.
        kv_heads: key-value heads of a layer.
        head_size: dimensions of a head.
    """

    layers: int
    kv_heads: int
    head_size: int
    dtype: torch.dtype
    device: torch.device

    @property
    def bytes_per_token(self) -> int:
        """Keys and values of all layers."""
        return 2 * self.layers * self.kv_heads * self.head_size * self.dtype.itemsize

    def zeros(self, *leading: int) -> Tensor:
        """Storage for heads.

        Raises:
            EngineUnavailable: the device has no memory for it now.
        """
        try:
            return torch.zeros((*leading, self.head_size), dtype=self.dtype, device=self.device)
        except RuntimeError as error:
            told = " ".join(str(error).split())[:200]
            raise EngineUnavailable(
                f"a shared cache must find memory on {self.device}, but: {told}; lower cache_gib"
            ) from None


@dataclass(slots=True)
class Block:
    """Tokens written one after the other; `pages` are where their keys and values are, in order."""

    length: int = 0
    pages: list[int] = field(default_factory=list)


class Slab:
    """Keys and values of one group. Blocks only grow; a block's place in a view is no matter of storage.

    Of each layer, keys are ``[pages, kv_heads, page_size, head_size]``, so that the pages in use are one batch of
    matrices, and values ``[kv_heads, pages * page_size, head_size]``, so that they are one matrix a head. Both are
    allocated at once, for `capacity` tokens, and doubled where that was too few and `grow` was not called before.

    Args:
        shape: of a token in the cache.
        page_size: tokens of a page; None for one page that holds everything, for a group that is one chain.
        capacity: tokens expected.
    """

    def __init__(self, shape: CacheShape, page_size: int | None, capacity: int) -> None:
        self.shape = shape
        self.is_chain = page_size is None
        self.page_size = page_size or max(capacity, 16)
        self.blocks: list[Block] = []
        self.page_owners: list[int] = []
        self.page_starts: list[int] = []
        self.keys = [shape.zeros(0, shape.kv_heads, self.page_size)] * shape.layers
        self.values = [shape.zeros(shape.kv_heads, 0)] * shape.layers
        self._allocate(1 if self.is_chain else -(-capacity // self.page_size) or 1)

    @property
    def used_pages(self) -> int:
        return len(self.page_owners)

    def new_block(self) -> int:
        """The number of a new, empty block.

        Raises:
            ValueError: a slab that is one chain has its block already.
        """
        if self.is_chain and self.blocks:
            raise ValueError("a slab that is one chain must have one block; give it a page size")
        self.blocks.append(Block())
        return len(self.blocks) - 1

    def extend(self, block: int, tokens: int) -> Array:
        """Make room for `tokens` more of a block; where each goes, counted in tokens over all pages."""
        if (needed := self.needed([(block, tokens)])) > self.capacity:
            self.grow(max(needed, 2 * self.capacity))
        mine = self.blocks[block]
        start, end = mine.length, mine.length + tokens
        while len(mine.pages) * self.page_size < end:
            self.page_starts.append(len(mine.pages) * self.page_size)
            mine.pages.append(self.used_pages)
            self.page_owners.append(block)
        mine.length = end
        pages, offsets = np.divmod(np.arange(start, end), self.page_size)
        places: Array = np.array(mine.pages)[pages] * self.page_size + offsets
        return places

    @property
    def capacity(self) -> int:
        """Tokens that there is storage for, were all pages full."""
        return self._pages * self.page_size

    @property
    def bytes(self) -> int:
        """Memory allocated."""
        return self.capacity * self.shape.bytes_per_token

    def needed(self, more: Sequence[tuple[int, int]]) -> int:
        """The capacity for more of some blocks, each given with the tokens that are added to it."""
        if self.is_chain:
            return sum(self.blocks[block].length + tokens for block, tokens in more)
        size = self.page_size
        ends = [(self.blocks[block], self.blocks[block].length + tokens) for block, tokens in more]
        return (self.used_pages + sum(-(-end // size) - len(block.pages) for block, end in ends)) * size

    def grow(self, capacity: int) -> None:
        """Allocate for so many tokens, more than before, and keep what is there."""
        if self.is_chain:
            self.page_size = capacity
        self._allocate(-(-capacity // self.page_size))

    def _allocate(self, pages: int) -> None:
        """Storage for so many pages of the present size, holding what was there; a layer at a time is there twice."""
        shape, size = self.shape, self.page_size
        for layer in range(shape.layers):
            old, new = self.keys[layer], shape.zeros(pages, shape.kv_heads, size)
            new[: old.shape[0], :, : old.shape[2]] = old
            self.keys[layer] = new
            old, new = self.values[layer], shape.zeros(shape.kv_heads, pages * size)
            new[:, : old.shape[1]] = old
            self.values[layer] = new
        self._pages = pages
