"""A simulated world as a problem: its calls are counted, and the budget is never passed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...orchestrator.errors import UsageError
from ..problem import Ask, Decision, Floats, Indices, Row, Searcher
from .archon_calls import numbered_calls
from .archon_points import archon_points, families, features
from .archon_world import World


class WorldProblem:
    """The compositions of Archon's space that fit the highest level, on development items of a world.

    Args:
        world: the items and how compositions fare on them.
        levels: calls a query, rising; compositions above the highest are no part of the problem.
        budget: calls the search may make in all.
        items: development items, drawn by the seed from those of the world.
        seed: decides which items, and all draws.
        reuse: whether a call that was paid in a replicate is never paid again. Otherwise every measurement draws and
            pays afresh, as Archon's own search does.

    Raises:
        UsageError: levels that do not rise or fit no composition, no budget, or more items than the world has.
    """

    def __init__(
        self,
        world: World,
        levels: Sequence[float],
        budget: int,
        *,
        items: int = 100,
        seed: int = 0,
        reuse: bool = True,
    ) -> None:
        if not levels or list(levels) != sorted(set(levels)):
            raise UsageError(f"levels must rise, got {list(levels)}; name each once, lowest first")
        if budget < 1:
            raise UsageError(f"the budget must be at least 1 call, got {budget}; raise it")
        if not 1 <= items <= world.size:
            raise UsageError(f"items must be between 1 and the world's {world.size}, got {items}; take so many")
        table, self._known_calls = numbered_calls()
        fitting = [number for number, point in enumerate(archon_points()) if point.calls <= levels[-1]]
        if not fitting:
            raise UsageError(f"levels must fit a composition, the cheapest makes 2 calls, got {levels[-1]:g}; raise it")
        self.points = tuple(archon_points()[number] for number in fitting)
        self.numbers = np.array(fitting, dtype=np.intp)
        self._features, self._families = features(self.points), families(self.points)
        self._calls = [table[number] for number in fitting]
        self._world, self._levels, self._budget = world, tuple(levels), budget
        self._seed, self._reuse = seed, reuse
        order = np.random.default_rng((seed, 1)).permutation(world.size)
        self.development, self.held_out = order[:items], order[items:]
        self._run = world.run(self.development, seed, 0)
        self._paid: dict[int, np.ndarray[tuple[int, int], np.dtype[np.bool_]]] = {}
        self._measurements = 0
        self.calls = 0

    @property
    def size(self) -> int:
        return len(self.points)

    @property
    def items(self) -> int:
        return len(self.development)

    @property
    def levels(self) -> tuple[float, ...]:
        return self._levels

    @property
    def features(self) -> Floats:
        return self._features

    @property
    def families(self) -> Indices:
        return self._families

    def cost(self, composition: int) -> float:
        """Calls a query, which are the same for every query."""
        return float(self.points[composition].calls)

    @property
    def spent(self) -> float:
        return self.calls / self._budget

    def price(self, asks: Sequence[Ask]) -> float:
        """The calls these would newly make, exactly, as a share of the budget."""
        if not self._reuse:
            return sum(self.points[ask.composition].calls * len(ask.items) for ask in asks) / self._budget
        unpaid: dict[int, list[Indices]] = {}
        for ask in asks:
            calls, items = self._calls[ask.composition], np.asarray(ask.items, dtype=np.intp)
            new = ~self._paid_in(ask.replicate)[calls[:, None], items]
            unpaid.setdefault(ask.replicate, []).append((calls[:, None] * self.items + items)[new])
        if len(asks) == 1:
            return len(unpaid[asks[0].replicate][0]) / self._budget
        return sum(len(np.unique(np.concatenate(new))) for new in unpaid.values()) / self._budget

    def measure(self, asks: Sequence[Ask]) -> list[Row]:
        """Measure in the order asked; the ask that does not fit is measured on the items that do, and the rest is not.

        Raises:
            UsageError: an item or composition that the problem does not have, or an item named twice.
        """
        rows = []
        for ask in asks:
            items = self._items_of(ask)
            prices = self._prices(ask, items)
            fit = int(np.searchsorted(np.cumsum(prices), self._budget - self.calls, side="right"))
            if fit:
                rows.append(self._measured(ask, items[:fit]))
                self.calls += int(prices[:fit].sum())
            if fit < len(items):
                break
        return rows

    def _measured(self, ask: Ask, items: Indices) -> Row:
        point, run = self.points[ask.composition], self._run
        if self._reuse:
            self._paid_in(ask.replicate)[self._calls[ask.composition][:, None], items] = True
            values = run.is_right(point, ask.replicate)[items]
        else:
            self._measurements += 1
            run = self._world.run(self.development[items], self._seed, self._measurements)
            values = run.is_right(point, ask.replicate)
        costs = np.full(len(items), float(point.calls))
        return Row(ask.composition, ask.replicate, items, values.astype(np.float64), costs)

    def _prices(self, ask: Ask, items: Indices) -> Indices:
        """The new calls of each item."""
        calls = self._calls[ask.composition]
        if not self._reuse:
            return np.full(len(items), len(calls), dtype=np.intp)
        prices: Indices = (~self._paid_in(ask.replicate)[calls[:, None], items]).sum(axis=0)
        return prices

    def _paid_in(self, replicate: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        if replicate not in self._paid:
            self._paid[replicate] = np.zeros((self._known_calls, self.items), dtype=np.bool_)
        return self._paid[replicate]

    def _items_of(self, ask: Ask) -> Indices:
        if not 0 <= ask.composition < self.size:
            raise UsageError(f"compositions are numbered 0 to {self.size - 1}, got {ask.composition}; name one of them")
        items = np.array(ask.items, dtype=np.intp)
        if len(items) != len(set(ask.items)) or (len(items) and not 0 <= items.min() <= items.max() < self.items):
            raise UsageError(f"items must be different numbers from 0 to {self.items - 1}, got {ask.items}; mend them")
        return items


def drive(
    searcher: Searcher, problem: WorldProblem, seed: int, watch: Callable[[Sequence[Row]], None] | None = None
) -> Decision:
    """Run a search to its end: measure what it asks, send it what came.

    Args:
        searcher: the way to search.
        problem: what to search in.
        seed: of the search's own choices.
        watch: is shown the rows of each batch.
    """
    search = searcher.search(problem, seed)
    try:
        asks = next(search)
        while True:
            rows = problem.measure(asks)
            if watch:
                watch(rows)
            asks = search.send(rows)
    except StopIteration as end:
        decision: Decision = end.value
        return decision
