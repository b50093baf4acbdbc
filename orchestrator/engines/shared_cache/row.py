"""A row: what one worker reads in one forward pass."""

from __future__ import annotations

from dataclasses import dataclass

from .slab import Slab


@dataclass(frozen=True, slots=True)
class Row:
    """The next tokens of one worker, where they are written, and what they see.

    All rows of a pass write their keys and values of a layer before any of them attends, so that workers see what
    others write in the same pass.

    Args:
        slab: the cache that the blocks are in.
        tokens: ids, one or more.
        view: blocks in the order the worker sees them. The last is its own, which the tokens are written to.
        predicts: whether the token after the last is wanted.
    """

    slab: Slab
    tokens: tuple[int, ...]
    view: tuple[int, ...]
    predicts: bool = True

    @property
    def position(self) -> int:
        """The position of its next token, where nothing else is written in the same pass."""
        return sum(self.slab.blocks[block].length for block in self.view)
