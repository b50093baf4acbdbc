"""What a search decides on, and what it may ask: the protocol between deciding and measuring.

A searcher is a generator. It yields what it wants measured, is sent what was measured, and returns its choices. It
sees nothing but its problem and the rows it was sent, so that it decides the same whoever measures, where, and how
fast: a simulated world in an array or a cluster of engines.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Ask:
    """Measure one composition, by its number, on some development items, in one replicate.

    Args:
        composition: its number in the problem.
        items: numbers of items, 0 to `Problem.items` - 1.
        replicate: chooses an independent set of draws; everything measured in one replicate shares draws.
    """

    composition: int
    items: tuple[int, ...]
    replicate: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """What one composition gave on some items in one replicate.

    Args:
        composition: its number in the problem.
        replicate: which set of draws.
        items: numbers of the items, each once.
        values: the label of the answer to each item, or its expectation where a pool of draws tells it: 0 to 1. An
            answer that was lost counts as 0.
        costs: what a fresh run on each item costs, in the dimension of the problem's levels.
    """

    composition: int
    replicate: int
    items: Indices
    values: Floats
    costs: Floats


class Problem(Protocol):
    """The compositions a search may choose from, what is known of them, and how much of the budget is gone.

    A composition whose most exceeds the limit of a query is no part of a problem: it never gets a score.
    """

    @property
    def size(self) -> int:
        """Compositions; they are numbered from 0."""

    @property
    def items(self) -> int:
        """Development items; they are numbered from 0, in an order by chance that is the same for everyone."""

    @property
    def levels(self) -> tuple[float, ...]:
        """What a query may cost, rising; a choice is wanted for each."""

    @property
    def features(self) -> Floats:
        """One row a composition: its knobs from 0 to 1, ordered ones on a logarithmic scale, choices one-hot."""

    @property
    def families(self) -> Indices:
        """One number a composition: the same where compositions differ in ordered knobs alone."""

    def cost(self, composition: int) -> float:
        """The mean cost of a fresh query, as far as is known, in the dimension of the levels."""

    def price(self, asks: Sequence[Ask]) -> float:
        """What measuring these would newly cost, as far as is known, as a share of the search's budget."""

    @property
    def spent(self) -> float:
        """The share of the search's budget that is gone, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a search recommends at one level.

    Args:
        level: what a query may cost.
        composition: the number of the composition chosen.
        estimate: its accuracy as the search believes; chosen for it, so never to be reported as its accuracy.
        tied: others at this level that the evidence cannot tell from it, cheapest first.
    """

    level: float
    composition: int
    estimate: float
    tied: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """How a search ended.

    Args:
        choices: one a level at which anything was measured, in the order of the levels.
        reason: why it measured no more, in words.
    """

    choices: tuple[Choice, ...]
    reason: str


Search = Generator[Sequence[Ask], Sequence[Row], Decision]


class Searcher(Protocol):
    """A way to search: a frozen model of its knobs."""

    def search(self, problem: Problem, seed: int) -> Search:
        """Begin a search.

        Each batch that is yielded is measured whole before the next: decisions follow the order of batches, never of
        arrivals. What comes back holds a row or more for each ask, fewer where the budget ended, and may hold rows
        that were not asked, where measuring one composition measures others for nothing.
        """
