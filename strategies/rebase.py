"""REBASE: reward-balanced search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.types import Candidate
from .allocation import Rounding, laid_out, largest_remainder, resample, sequential_ceil, softmax
from .cut import cut
from .level_search import Found, Level, S, best_first
from .stepwise import Stepwise
from .tree_cost import worth_their_cost

ROUNDING = 1e-9
"""What a product of floating point numbers may be too large by: 0.7 times 10 is 7, not 8."""


class Rebase(Stepwise):
    """Share each level among the nodes by the softmax of their scores.

    A node with score R gets its part of the room, ``exp(R / balance) / sum``, as a whole number of children; the room
    is `n` less the paths that have ended or were cut. ``largest_remainder`` spends the room exactly. ``systematic`` and
    ``multinomial`` round at random, so that each expectation is the share; ``sequential_ceil`` is what the authors'
    code does, without its loss of children to floating point. Paths cut at `max_steps` are kept, after the whole ones.

    Family: stepwise search
    When it pays: a process reward is informative but not sure: good nodes get more, doubtful ones something, and a
        weighted vote gathers the rest. It keeps the breadth that a beam loses, at the cost of a sampling vote with as
        many paths.
    Cost: at most `n` steps and `n` judgements a level; depth ``2 + lookahead`` a level.
    Source: Wu et al. 2024, arXiv 2408.00724, reward-balanced search; `tree_cost`: Hooper et al. 2025 (ETS), arXiv
        2502.13575.
    Departs: the paper rounds each share by itself, which spends more or less than the room.

    Args:
        balance: the temperature of the softmax; 0 gives all to the best, a large one shares alike.
        rounding: how shares become whole numbers.
        keep: the part of a level's nodes, best first, that may get children at all.
        tree_cost: the price of the whole tree, against shares that sum to 1: nodes whose share is not worth the part
            of the tree that only they need are dropped (Hooper et al. 2025, ETS), so that the rest shares prefixes.
            0 drops none.
    """

    kind: Literal["rebase"] = "rebase"
    balance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.2
    rounding: Rounding = "largest_remainder"
    keep: Annotated[float, Field(gt=0, le=1)] = 1.0
    tree_cost: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    def allocator(self) -> Balanced:
        """Children in proportion to the softmax of the scores."""
        return Balanced(self.balance, self.rounding, self.keep, self.tree_cost)

    def paths(self, found: Found[Candidate], ctx: Context) -> list[Candidate]:
        """The paths that ended, and those that were cut."""
        return [node.state for node in found.ended] + cut([node.state for node in found.unfinished], ctx)


@dataclass(frozen=True, slots=True)
class Balanced:
    """Gives each node its part of the room by the softmax of its score; the knobs are those of `Rebase`."""

    balance: float
    rounding: Rounding
    keep: float = 1.0
    tree_cost: float = 0.0

    def allocate(self, level: Level[S]) -> list[int]:
        nodes = level.nodes
        order = best_first(nodes)[: math.ceil(self.keep * len(nodes) - ROUNDING)]
        shares = softmax([nodes[i].score for i in order], self.balance)
        if self.tree_cost:
            worth = worth_their_cost([nodes[i] for i in order], shares, self.tree_cost)
            order = [order[place] for place in worth]
            shares = softmax([nodes[i].score for i in order], self.balance)
        return laid_out(rounded(level.room, shares, self.rounding, level.rng), order, len(nodes))


def rounded(room: int, shares: Sequence[float], rounding: Rounding, rng: np.random.Generator) -> list[int]:
    """Whole numbers of children that sum to `room`, for shares in falling order."""
    if rounding == "largest_remainder":
        return largest_remainder(room, shares)
    if rounding == "sequential_ceil":
        return sequential_ceil(room, shares)
    return resample(room, shares, rng, rounding)
