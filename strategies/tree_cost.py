"""The cost of a tree: which of its leaves are worth the part of it that only they need."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from .level_search import Node, S
from .lineage import lineage


def worth_their_cost(leaves: Sequence[Node[S]], shares: Sequence[float], price: float) -> list[int]:
    """The places of the leaves, all on one level, whose set is worth the most: the sum of their shares, less `price`
    times the cost of all nodes that lead to them, as a part of the cost of all that lead to any leaf.

    This is the objective of ETS (Hooper et al. 2025) without its term for coverage, and with each node at its own cost
    rather than at 1. No integer program is needed: in a tree a node is worth what its children are worth where that is
    positive, less its own cost, so the best set is found from the leaves up. Where none is worth it, the first leaf is
    kept.
    """
    nodes = dict.fromkeys(node for leaf in leaves for node in lineage(leaf))
    whole = math.fsum(node.cost for node in nodes)
    if not whole:
        return list(range(len(leaves)))
    worth = defaultdict[Node[S], float](float, zip(leaves, shares, strict=True))
    for node in sorted(nodes, key=lambda node: -node.index):  # children were made after their parents
        worth[node] -= price * node.cost / whole
        if node.parent is not None:
            worth[node.parent] += max(0.0, worth[node])
    return [i for i, leaf in enumerate(leaves) if all(worth[node] > 0 for node in lineage(leaf))] or [0]
