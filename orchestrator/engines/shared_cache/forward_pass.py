"""One forward pass: where each token is written, and what it sees at which distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .rope import RopeTable
from .row import Row
from .slab import Array, Slab

MOST_TURNED = 4096
"""Pages that the queries of a part of a group's tokens are turned to: each takes a copy of the query."""


class Group:
    """The rows of a pass that share a slab, as tables over their tokens T and the slab's pages N of P tokens.

    Making one writes the tokens' places: the blocks have their new lengths afterwards.

    Args:
        rows: of one slab; their tokens stand one after the other in the pass.
        first: the place of the first of these tokens in the pass.

    Attributes:
        columns: the tokens' places in the pass.
        places: ``[3, T]``: where each is written, counted in tokens over all pages; that page; and where in the page.
        local: ``[T]``: its place in its own block.
        ahead: ``[N, T]``: from the start of each page to each token, in tokens; less than 0 where it sees none of it.
        distances: ``[N, T]``: from the start of each page's block to each token, 0 where it does not see the block.
        filled: ``[N]``: tokens in each page.
        width: tokens of a page that are looked at.
        parts: of the tokens, attended one after the other where all of them would take too much memory.
    """

    def __init__(self, rows: Sequence[Row], first: int) -> None:
        self.slab: Slab = rows[0].slab
        counts = [len(row.tokens) for row in rows]
        self.columns = slice(first, first + sum(counts))
        starts = [self.slab.blocks[row.view[-1]].length for row in rows]
        flat = np.concatenate([self.slab.extend(row.view[-1], n) for row, n in zip(rows, counts, strict=True)])
        self.places = np.stack((flat, *np.divmod(flat, self.slab.page_size)))
        self.local = np.concatenate([np.arange(s, s + n) for s, n in zip(starts, counts, strict=True)])
        lengths = np.array([block.length for block in self.slab.blocks])
        owners, begins = np.array(self.slab.page_owners), np.array(self.slab.page_starts)
        distances = self._measured(rows, counts, lengths)[owners]
        self.ahead = distances - begins[:, None]
        self.distances = np.maximum(distances, 0)
        self.filled = lengths[owners] - begins
        self.width = lengths[0] if self.slab.is_chain else self.slab.page_size
        step = max(1, MOST_TURNED // len(owners))
        self.parts = [slice(begin, min(begin + step, len(flat))) for begin in range(0, len(flat), step)]

    def _measured(self, rows: Sequence[Row], counts: Sequence[int], lengths: Array) -> Array:
        """``[blocks, T]``: from the start of each block to each token, in tokens; -1 for a block it does not see."""
        found = np.full((len(lengths), sum(counts)), -1)
        first = 0
        for row, count in zip(rows, counts, strict=True):
            view, after = np.array(row.view), slice(first, first + count)
            back = lengths[view][::-1].cumsum()[::-1] - lengths[view[-1]]
            found[view, after] = back[:, None] + self.local[after]
            first += count
        return found


class ForwardPass:
    """All rows of one pass, and its tables on the model's device, each made once for all layers that use it.

    Args:
        rows: those of one slab stand one after the other.
        device: of the model.

    Raises:
        ValueError: rows of one slab are parted.
    """

    def __init__(self, rows: Sequence[Row], device: torch.device) -> None:
        self.rows, self.groups, first = rows, list[Group](), 0
        for run in _by_slab(rows):
            self.groups.append(Group(run, first))
            first = self.groups[-1].columns.stop
        places, self._local, *rest = _moved(
            [
                np.concatenate([group.places for group in self.groups], axis=1),
                np.concatenate([group.local for group in self.groups]),
                *(each for group in self.groups for each in (group.ahead, group.distances, group.filled)),
            ],
            device,
        )
        self.places = [places[:, group.columns] for group in self.groups]
        self._ahead, self._distances, self._filled = rest[::3], rest[1::3], rest[2::3]
        self._most = max(int(group.distances.max()) for group in self.groups)
        self._turns: dict[tuple[int, int], Tensor] = {}
        self._biases: dict[tuple[int, int | None], Tensor | None] = {}

    @property
    def last_columns(self) -> list[int]:
        """The places of the last tokens of the rows that predict."""
        ends = np.cumsum([len(row.tokens) for row in self.rows]) - 1
        return [int(end) for end, row in zip(ends, self.rows, strict=True) if row.predicts]

    def local_turns(self, table: RopeTable) -> Tensor:
        """``[T, pairs]``: the turns of the new keys, to their place in their own block."""
        if (key := (-1, id(table))) not in self._turns:
            self._turns[key] = table.at(self._local, self._most)
        return self._turns[key]

    def query_turns(self, i: int, table: RopeTable) -> Tensor:
        """``[N, 1, T, pairs]``: the turns of group `i`'s queries, for each page of its slab."""
        if (key := (i, id(table))) not in self._turns:
            self._turns[key] = table.at(self._distances[i], self._most)[:, None]
        return self._turns[key]

    def bias(self, i: int, window: int | None) -> Tensor | None:
        """``[N, 1, T, P]`` of group `i`: 0 where the token sees the key, else minus infinity; None where all see all.

        Args:
            window: how many tokens back a token sees, itself among them; None sees all.
        """
        if (key := (i, window)) not in self._biases:
            self._biases[key] = self._biased(i, window)
        return self._biases[key]

    def _biased(self, i: int, window: int | None) -> Tensor | None:
        group, ahead = self.groups[i], self._ahead[i][:, None, :, None]
        if group.slab.is_chain and len(group.local) == 1 and (window is None or window >= group.width):
            return None
        key = torch.arange(group.width, device=ahead.device)
        seen = key <= torch.minimum(ahead, self._filled[i][:, None, None, None] - 1)
        if window is not None:
            seen &= key > ahead - window
        dtype = group.slab.shape.dtype
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, -torch.inf)


def _moved(arrays: Sequence[Array], device: torch.device) -> list[Tensor]:
    """The arrays on the device, by one copy."""
    flat = torch.from_numpy(np.concatenate([array.ravel() for array in arrays])).to(device)
    parts = torch.split(flat, [array.size for array in arrays])
    return [part.view(array.shape) for part, array in zip(parts, arrays, strict=True)]


def _by_slab(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows in runs of one slab."""
    runs: list[list[Row]] = []
    for row in rows:
        if runs and runs[-1][0].slab is row.slab:
            runs[-1].append(row)
        else:
            runs.append([row])
    if len({id(run[0].slab) for run in runs}) < len(runs):
        raise ValueError("the rows of one slab must stand one after the other; sort them by slab")
    return runs
