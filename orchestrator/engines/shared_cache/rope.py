"""Rotary positions: tables of unit complex numbers, and heads laid out so that one product rotates them.

Rotary embedding (Su et al. 2021, arXiv 2104.09864) turns each pair of a head's dimensions by an angle that grows with
the position. Which dimensions make a pair differs between models (halves or neighbours); a dot product does not depend
on their order, so keys and queries are kept with the two of a pair side by side and are turned as complex numbers.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Pairs = Literal["halves", "neighbours"]


class RopeTable:
    """Turns by every position: row p holds exp(i * p * frequency) for each pair of dimensions.

    Angles are computed in float64 and kept in complex64.

    Args:
        frequencies: radians a position, one a pair; none for a layer without rotary positions.
        device: where the table is kept.
    """

    def __init__(self, frequencies: Tensor, device: torch.device) -> None:
        self._frequencies = frequencies.detach().double().cpu()
        self._device = device
        self._turns = self._computed(1024)

    @property
    def pairs(self) -> int:
        """How many pairs of a head's dimensions turn."""
        return len(self._frequencies)

    def at(self, positions: Tensor, most: int | None = None) -> Tensor:
        """The turns at whole positions: complex64 of their shape and one more axis of pairs.

        Args:
            positions: 0 or more, of any shape.
            most: no position is larger; where it is given, a device need not be asked.
        """
        if most is None:
            most = int(positions.max()) if positions.numel() else 0
        if most >= len(self._turns):
            self._turns = self._computed(max(most + 1, 2 * len(self._turns)))
        return self._turns[positions.to(self._device)]

    def _computed(self, positions: int) -> Tensor:
        angles = torch.outer(torch.arange(positions, dtype=torch.float64), self._frequencies)
        return torch.polar(torch.ones_like(angles), angles).to(torch.complex64).to(self._device)


def paired(heads: Tensor, pairs: int, style: Pairs) -> tuple[Tensor, Tensor | None]:
    """The dimensions that turn, as complex numbers in float32, and those that do not, where there are any.

    Args:
        heads: any shape, the last axis being a head's dimensions.
        pairs: how many pairs turn; they are the first ones.
        style: whether a pair is of the same place in both halves, or of neighbours.

    >>> whole, rest = paired(torch.tensor([1.0, 2.0, 3.0, 4.0]), 2, "halves")
    >>> whole, rest is None
    (tensor([1.+3.j, 2.+4.j]), True)
    """
    if not pairs:
        return heads.new_empty((*heads.shape[:-1], 0), dtype=torch.complex64), heads
    turning, rest = heads.float(), None
    if 2 * pairs < heads.shape[-1]:
        turning, rest = turning[..., : 2 * pairs], heads[..., 2 * pairs :]
    if style == "halves":
        return torch.complex(turning[..., :pairs], turning[..., pairs:]), rest
    return torch.complex(turning[..., ::2], turning[..., 1::2]), rest


def turned(whole: Tensor, rest: Tensor | None, turns: Tensor, dtype: torch.dtype) -> Tensor:
    """The heads after a turn: as real numbers of `dtype`, the two of a pair side by side, what does not turn last."""
    real = torch.view_as_real(whole * turns).flatten(-2).to(dtype)
    if rest is None:
        return real
    return torch.cat((real, rest.to(dtype).expand(*real.shape[:-1], rest.shape[-1])), dim=-1)
