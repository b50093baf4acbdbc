"""The tree of a Monte Carlo tree search: which leaf to expand next, and what its children teach those above."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from .lineage import lineage

S = TypeVar("S")


@dataclass(slots=True, eq=False)
class Branch(Generic[S]):
    """A node of the tree.

    Args:
        state: what the caller keeps of it.
        parent: the node it follows; None at the root.
        prior: the share of draws from the parent that led here; used by PUCT.
        children: what follows, once it is expanded.
        visits: evaluations backed up through here: ``1 + sum(child.visits)``, at the root without the 1.
        total: the sum of their values.
        pending: expansions asked for below here and not told yet.
        leaves: how many nodes from here down can still be asked for; a subtree with none is explored.
    """

    state: S
    parent: Branch[S] | None = None
    prior: float = 1.0
    children: list[Branch[S]] = field(default_factory=list)
    visits: int = 0
    total: float = 0.0
    pending: int = 0
    leaves: int = 1

    @property
    def value(self) -> float:
        """Q: the mean of the values backed up, each pending expansion counting as a value of 0 (virtual loss)."""
        seen = self.visits + self.pending
        return self.total / seen if seen else 0.0


Rule = Callable[[Branch[S], int, float], float]


def uct(child: Branch[S], parent_visits: int, exploration: float) -> float:
    """Q + c sqrt(ln N / n) (Kocsis and Szepesvári 2006)."""
    return child.value + exploration * math.sqrt(math.log(parent_visits) / (child.visits + child.pending))


def puct(child: Branch[S], parent_visits: int, exploration: float) -> float:
    """Q + c P sqrt(N) / (1 + n) (Silver et al. 2017)."""
    return child.value + exploration * child.prior * math.sqrt(parent_visits) / (1 + child.visits + child.pending)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S]):
    """A child that an expansion found: its value in [0, 1], its prior, and whether nothing can follow it."""

    state: S
    value: float
    prior: float = 1.0
    is_terminal: bool = False


class SearchTree(Generic[S]):
    """Selection, virtual loss and backing up, as ask and tell: pure and without chance.

    A node is expanded once. One that is terminal, pending or explored is not selected again, so that every ask is a
    new expansion and asking ends with the tree. Of equal scores the earlier child wins. An ask costs O(children) a
    level, a tell O(depth) a child.

    Args:
        root: the state of the root, which has no value of its own.
        rule: the score by which a child is selected, `uct` or `puct`.
        exploration: its constant c, at least 0.
    """

    def __init__(self, root: S, rule: Rule[S], exploration: float) -> None:
        self.root = Branch(root)
        self._rule = rule
        self._exploration = exploration

    def ask(self) -> Branch[S] | None:
        """The leaf to expand next, which is pending until it is told; None where nothing is left to ask for."""
        node = self.root
        if not node.leaves:
            return None
        while node.children:
            seen = node.visits + node.pending
            live = [child for child in node.children if child.leaves]
            node = max(live, key=lambda child: self._rule(child, seen, self._exploration))
        for each in lineage(node):
            each.leaves -= 1
            each.pending += 1
        return node

    def tell(self, leaf: Branch[S], outcomes: Iterable[Outcome[S]]) -> None:
        """Give a pending leaf its children, none where the expansion failed, and back their values up."""
        for each in lineage(leaf):
            each.pending -= 1
        for outcome in outcomes:
            child = Branch(outcome.state, leaf, outcome.prior, leaves=0)
            leaf.children.append(child)
            for each in lineage(child):
                each.visits += 1
                each.total += outcome.value
                each.leaves += not outcome.is_terminal

    def principal(self) -> Branch[S]:
        """The leaf that the most visits lead to, from the root down; of equal visits the higher value wins."""
        node = self.root
        while node.children:
            node = max(node.children, key=lambda child: (child.visits, child.value))
        return node
