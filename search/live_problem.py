"""A sweep as the problem of a search: real compositions, what they were seen to cost, and how much is gone."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np

from ..orchestrator.budget import COUNTED, NANO, Budget, amounts, in_units, unit_of
from ..orchestrator.shape import Estimate
from ..orchestrator.types import Usage
from .catalogue import Catalogue
from .pools.arms import draws_of
from .pools.holdings import Told
from .prices import Prices
from .problem import Ask, Floats, Indices, Row
from .spaces.space import Point, Space


class LiveProblem:
    """The catalogue of a sweep, and what is known of it.

    Args:
        space: encodes compositions.
        catalogue: the compositions; grows as others join.
        by: the dimension of cost that levels are in.
        items: development queries.
        allowance: what the search may spend.
    """

    def __init__(self, space: Space, catalogue: Catalogue, by: str, items: int, allowance: Budget) -> None:
        self._space, self._catalogue = space, catalogue
        self.points = catalogue.points
        self.items = items
        self.levels: tuple[float, ...] = ()
        self._features, self._families = space.encode(self.points), space.families(self.points)
        self.by = by
        self._column = COUNTED.index(by)
        self._unit = unit_of(by)
        limits = allowance.limits()
        self._limits = np.array([np.inf if limit is None else max(limit, 1) for limit in limits], dtype=np.float64)
        self._seconds = allowance.seconds
        self._known_prices = Prices(
            catalogue.strategies,
            catalogue.most,
            self._families,
            items,
            lambda part: _vector(catalogue.planner.estimate(part)),
        )
        self._spent = 0.0

    @property
    def size(self) -> int:
        return len(self.points)

    @property
    def is_sampled(self) -> bool:
        """Whether the space holds more compositions."""
        return self._catalogue.is_sampled

    @property
    def features(self) -> Floats:
        """One row a composition; see `Space.encode`."""
        self._follow()
        return self._features

    @property
    def families(self) -> Indices:
        """One number a composition; see `Space.families`."""
        self._follow()
        return self._families

    def add(self, point: Point) -> int | None:
        """The number of a composition, which joins where it is new; None where it is refused, as for its most."""
        return self._catalogue.add(point)

    @property
    def spent(self) -> float:
        """The share of the allowance that is gone, in the dimension where it is the most."""
        return self._spent

    def cost(self, composition: int) -> float:
        """The mean cost of a fresh query, as far as is known, in the dimension of the levels."""
        return float(self._prices.costs()[composition, self._column]) / self._unit

    def in_levels(self, costs: Floats) -> Floats:
        """Costs, one row a query in the order of `COUNTED`, in the dimension of the levels."""
        found: Floats = costs[:, self._column] / self._unit
        return found

    def price(self, asks: Sequence[Ask]) -> float:
        """What measuring these would newly cost together, as far as is known, as a share of the allowance."""
        prices, total = self._prices, np.zeros(len(COUNTED))
        if len(asks) > 1:
            prices = prices.beside()
        for ask in asks:
            items = np.asarray(ask.items, dtype=np.intp)
            total += prices.new(ask.composition, ask.replicate, items)
            if len(asks) > 1:
                prices.hold(ask.composition, self._draws(ask.composition), ask.replicate, items)
        return self._share(total)

    def settle(self, spent: Usage, seconds: float) -> None:
        """Note what everything so far has cost, and how long it took."""
        late = 0.0 if self._seconds is None else seconds / max(self._seconds, 1e-9)
        self._spent = max(late, self._share(np.array(amounts(spent), dtype=np.float64)))

    def elsewhere(self, items: int) -> Self:
        """The same on other queries, of which nothing is held."""
        other = copy.copy(self)
        other.items, other._known_prices = items, self._prices.elsewhere(items)
        return other

    def hold(self, ask: Ask) -> None:
        """Note that this is measured."""
        items = np.asarray(ask.items, dtype=np.intp)
        self._prices.hold(ask.composition, self._draws(ask.composition), ask.replicate, items)

    def take(self, told: Iterable[Told]) -> list[Row]:
        """The rows of what was measured, from which prices are learnt too."""
        found = []
        for one in told:
            costs = np.array([outcome.cost for outcome in one.outcomes])
            items = np.asarray(one.items, dtype=np.intp)
            self._prices.see(one.composition, one.replicate, items, costs)
            self._prices.hold(one.composition, one.draws, one.replicate, items)
            values = np.array([outcome.value for outcome in one.outcomes])
            found.append(Row(one.composition, one.replicate, items, values, self.in_levels(costs)))
        return found

    def cheapest(self) -> int:
        """The composition that costs the least at most, in the dimension of the levels."""
        return int(np.argmin([self.cost(number) for number in range(self.size)]))

    def _draws(self, composition: int) -> int:
        return draws_of(self.points[composition].strategy)

    @property
    def _prices(self) -> Prices:
        self._follow()
        return self._known_prices

    def _follow(self) -> None:
        """Take in the compositions that joined since."""
        if (known := len(self._features)) < self.size:
            self._features = np.vstack((self._features, self._space.encode(self.points[known:])))
            self._families = self._space.families(self.points)
            self._known_prices.grow(self._catalogue.most, self._families)

    def _share(self, cost: Floats | float) -> float:
        return float(np.max(np.asarray(cost) / self._limits))


def even_levels(problem: LiveProblem, count: int = 5) -> tuple[float, ...]:
    """Levels laid evenly on a logarithmic scale over what the compositions cost; the highest takes in all."""
    costs = np.array([problem.cost(number) for number in range(problem.size)])
    low, high = float(costs.min()), float(costs.max()) * 1.05
    steps = np.geomspace(max(low, high * 1e-6) * 1.05, high, count) if high > low * 1.2 else [high]
    return tuple(float(f"{step:.3g}") for step in steps)


def tenable(budget: Budget, share: float) -> Budget:
    """The same budget, with `share` of every limit."""
    limits = {name: limit for name in (*COUNTED, "seconds") if (limit := getattr(budget, name)) is not None}
    whole = {name: limit * share for name, limit in limits.items()}
    return Budget(**{name: x if name in (*NANO, "seconds") else int(x) for name, x in whole.items()})


def raised(budget: Budget, lost: Usage) -> Budget:
    """The same budget, with room for what was lost."""
    more = dict(zip(COUNTED, amounts(lost), strict=True))
    limits = {name: limit for name in COUNTED if (limit := getattr(budget, name)) is not None}
    return budget.model_copy(update={name: limit + in_units(more[name], name) for name, limit in limits.items()})


def _vector(estimate: Estimate) -> Floats:
    return np.array(amounts(estimate.most), dtype=np.float64)
