"""DVTS: diverse verifier tree search."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.errors import UsageError
from .level_search import Level, Node, S, standing
from .stepwise import Stepwise


class DVTS(Stepwise):
    """Search in independent greedy trees: in each, the best of `beam_width` children goes on.

    There are ``n / beam_width`` trees, and nodes are compared within their tree alone, which keeps the trees apart. A
    tree ends when its best child has come to its end. Its other children that have ended too are whole answers and
    stay, each taking one child out of its tree's width; those that could have gone on are dropped.

    Family: stepwise search
    When it pays: as `beam_search`, at larger budgets: the trees keep different answers alive, which a vote or a good
        verifier can use. At small budgets a few narrow trees are worse than one beam.
    Cost: at most `n` steps and `n` judgements a level, and `lookahead` times as many steps; depth ``2 +
        lookahead`` a level.
    Source: Beeching, Tunstall and Rush 2024, "Scaling test-time compute with open models", diverse verifier tree
        search.
    Departs: children that have not ended are no answers, and do not come back beside those that have.

    Args:
        n: children a level, a multiple of `beam_width`.
        beam_width: children of each tree a level.
    """

    kind: Literal["dvts"] = "dvts"
    beam_width: Annotated[int, Field(ge=1, le=4096)] = 4

    @model_validator(mode="after")
    def _has_even_trees(self) -> Self:
        if self.n % self.beam_width:
            enough = -(-self.n // self.beam_width) * self.beam_width
            raise UsageError(
                f"n of dvts must be a multiple of beam_width {self.beam_width}, got {self.n}; take {enough}"
            )
        return self

    def allocator(self) -> Trees:
        """The best of each tree goes on."""
        return Trees(self.beam_width)


class Trees:
    """Gives the best node of each tree what is left of the tree's width, unless the best has ended."""

    def __init__(self, beam_width: int) -> None:
        self._beam_width = beam_width
        self._ended = Counter[int]()

    def allocate(self, level: Level[S]) -> list[int]:
        trees = defaultdict[int, list[Node[S]]](list)
        for node in (*level.nodes, *level.ended):
            trees[node.root // self._beam_width].append(node)
        self._ended.update(node.root // self._beam_width for node in level.ended)
        best = {min(nodes, key=standing): tree for tree, nodes in trees.items()}
        return [self._beam_width - self._ended[best[node]] if node in best else 0 for node in level.nodes]
