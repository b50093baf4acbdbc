"""Adaptive branching: a tree of answers where each can get another child, or one of its children more below it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from .posteriors import Beta, Gaussian

S = TypeVar("S")
Belief = Gaussian | Beta


@dataclass(slots=True, eq=False)
class Answer(Generic[S]):
    """A node: an answer, or the root, which stands for the question alone.

    Args:
        state: what the caller keeps of it.
        parent: the answer it refines; None at the root.
        worth: of the rewards of this answer and of all below it.
        gen: of the rewards of its children.
        cont: of the rewards of all below its children.
        children: the answers that refine it, in the order they were told.
    """

    state: S
    parent: Answer[S] | None
    worth: Belief
    gen: Belief
    cont: Belief
    children: list[Answer[S]] = field(default_factory=list)


class AdaptiveBranching(Generic[S]):
    """AB-MCTS-A as ask and tell (Inoue et al. 2025, node aggregation): pure, and deterministic given `rng`.

    From the root down, a draw from `gen` against one from `cont` decides whether a node gets a new child or the search
    goes on into the child with the highest draw from `worth`. Which of several generators makes the child is a bandit
    of its own over all rewards. An ask costs O(children) a level, a tell O(depth). What was asked and not told yet
    changes nothing: only the noise of the draws spreads asks that are in flight at once.

    Args:
        root: the state of the root.
        arms: how many generators there are to choose from.
        prior: what every posterior starts from.
        rng: the only source of chance.
    """

    def __init__(self, root: S, arms: int, prior: Belief, rng: np.random.Generator) -> None:
        self.root: Answer[S] = Answer(root, None, prior, prior, prior)
        self.arms = [prior] * arms
        self._prior = prior
        self._rng = rng

    def ask(self) -> tuple[Answer[S], int]:
        """The node that is to have a new child, and the number of the generator that is to make it."""
        node = self.root
        while node.children and node.gen.draw(self._rng) < node.cont.draw(self._rng):
            node = node.children[self._highest([child.worth for child in node.children])]
        return node, self._highest(self.arms)

    def tell(self, parent: Answer[S], arm: int, state: S, reward: float) -> Answer[S]:
        """Add the child that generator `arm` made, and have everyone above learn its reward."""
        prior = self._prior
        child = Answer(state, parent, prior.observed(reward), prior, prior)
        parent.children.append(child)
        parent.gen = parent.gen.observed(reward)
        self.arms[arm] = self.arms[arm].observed(reward)
        node = parent
        while node.parent is not None:
            node.worth = node.worth.observed(reward)
            node.parent.cont = node.parent.cont.observed(reward)
            node = node.parent
        return child

    def _highest(self, beliefs: list[Belief]) -> int:
        """The place of the highest draw; a single one is not drawn."""
        if len(beliefs) == 1:
            return 0
        draws = [belief.draw(self._rng) for belief in beliefs]
        return draws.index(max(draws))
