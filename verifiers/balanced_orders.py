"""Orders in which to show responses, so that no place among them favours any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


def balanced_orders(texts: Sequence[str], count: int, ctx: Judging) -> list[tuple[int, ...]]:
    """`count` orders of the indices of `texts`, which are all different.

    The orders are the cyclic shifts of a first one, then those of a second, and so on: over each run of as many orders
    as texts every text stands in every place once. The first orders depend on the seed and on what the texts say, not
    on the order they come in; those of a smaller `count` are the beginning of those of a larger.
    """
    found: list[tuple[int, ...]] = []
    for block in range(-(-count // len(texts))):
        base = tuple(sorted(range(len(texts)), key=lambda i: ctx.nonce(f"{block}:{texts[i]}")))
        found += [base[shift:] + base[:shift] for shift in range(len(texts))]
    return found[:count]
