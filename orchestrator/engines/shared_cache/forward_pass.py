"""One forward pass: where each token is written, and what it sees at which distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .rope import RopeTable
from .row import Row
from .slab import Slab

Array = npt.NDArray[np.int64]


class Group:
    """The rows of a pass that share a slab, as tables over their tokens T and the slab's pages N of P tokens.

    Making one writes the tokens' places: the blocks have their new lengths afterwards.

    Args:
        rows: of one slab; their tokens stand one after the other in the pass.
        first: the place of the first of these tokens in the pass.
    """

    def __init__(self, rows: Sequence[Row], first: int) -> None:
        self.slab: Slab = rows[0].slab
        counts = [len(row.tokens) for row in rows]
        self.columns = slice(first, first + sum(counts))
        starts = [self.slab.blocks[row.view[-1]].length for row in rows]
        places = [self.slab.extend(row.view[-1], count) for row, count in zip(rows, counts, strict=True)]
        self.places = torch.cat(places)
        self.local = np.concatenate([np.arange(s, s + c) for s, c in zip(starts, counts, strict=True)])
        self._distances = self._measured(rows, counts, self.local)
        self.width = self.slab.page_size if not self.slab.is_chain else self.slab.blocks[0].length

    @property
    def positions(self) -> Array:
        """The position of each token in its own view."""
        return np.asarray(self._distances.max(axis=0))

    def _measured(self, rows: Sequence[Row], counts: Sequence[int], local: Array) -> Array:
        """``[blocks, T]``: from the start of each block to each token, in tokens; -1 for a block it does not see."""
        lengths = [block.length for block in self.slab.blocks]
        starts = np.full((len(lengths), len(rows)), -1)
        own = np.empty(len(rows), dtype=np.int64)
        for i, row in enumerate(rows):
            view = np.array(row.view)
            ends = np.cumsum([lengths[block] for block in row.view])
            starts[view, i] = ends - [lengths[block] for block in row.view]
            own[i] = starts[view[-1], i]
        row_of = np.repeat(np.arange(len(rows)), counts)
        position = own[row_of] + local
        seen = starts[:, row_of]
        return np.where(seen >= 0, position - seen, -1)

    def distances(self) -> Tensor:
        """``[N, T]``: from the start of each page's block to each token, 0 where it does not see the block."""
        return torch.from_numpy(np.maximum(self._distances[self.slab.page_owners], 0))

    def bias(self, window: int | None) -> Tensor:
        """``[N, T, P]``: 0 where the token sees the key, else minus infinity.

        Args:
            window: how many tokens back it sees, itself among them; None sees all.
        """
        owners = np.array(self.slab.page_owners)
        key = np.array(self.slab.page_starts)[:, None] + np.arange(self.width)
        lengths = np.array([block.length for block in self.slab.blocks])[owners]
        distance = self._distances[owners][:, :, None] - key[:, None, :]
        seen = (distance >= 0) & (key < lengths[:, None])[:, None, :]
        if window is not None:
            seen &= distance < window
        return torch.where(torch.from_numpy(seen), 0.0, -torch.inf)


@dataclass(slots=True)
class ForwardPass:
    """All rows of one pass, and its tables, each computed once for all layers that use it.

    Args:
        rows: those of one slab stand one after the other.
        device: of the model.
    """

    rows: Sequence[Row]
    device: torch.device
    groups: list[Group] = field(init=False)
    _turns: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    _biases: dict[tuple[int, int | None], Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.groups, first = [], 0
        for rows in _by_slab(self.rows):
            self.groups.append(Group(rows, first))
            first = self.groups[-1].columns.stop

    @property
    def last_columns(self) -> list[int]:
        """The places of the last tokens of the rows that predict."""
        ends = np.cumsum([len(row.tokens) for row in self.rows]) - 1
        return [int(end) for end, row in zip(ends, self.rows, strict=True) if row.predicts]

    def local_turns(self, table: RopeTable) -> Tensor:
        """``[T, pairs]``: the turns of the new keys, to their place in their own block."""
        if (key := (-1, id(table))) not in self._turns:
            local = np.concatenate([group.local for group in self.groups])
            self._turns[key] = table.at(torch.from_numpy(local))
        return self._turns[key]

    def query_turns(self, i: int, table: RopeTable) -> Tensor:
        """``[N, T, pairs]``: the turns of group `i`'s queries, for each page of its slab."""
        if (key := (i, id(table))) not in self._turns:
            self._turns[key] = table.at(self.groups[i].distances())
        return self._turns[key]

    def bias(self, i: int, window: int | None) -> Tensor:
        """``[N, T, P]`` of group `i`: see `Group.bias`."""
        if (key := (i, window)) not in self._biases:
            self._biases[key] = self.groups[i].bias(window).to(self.device)
        return self._biases[key]


def _by_slab(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows in runs of one slab.

    Raises:
        ValueError: rows of one slab are parted.
    """
    runs: list[list[Row]] = []
    for row in rows:
        if runs and runs[-1][0].slab is row.slab:
            runs[-1].append(row)
        else:
            runs.append([row])
    if len({id(run[0].slab) for run in runs}) < len(runs):
        raise ValueError("the rows of one slab must stand one after the other; sort them by slab")
    return runs
