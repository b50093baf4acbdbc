"""What is run: worlds, levels, seeds, and which search at which budget in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

UNLIMITED = 10**9
OURS, ITAS, ITAS_CACHED, TUNED_BO = "ours", "ITAS", "ITAS with our cache", "tuned BO"
RANDOM, GREEDY, HALVING, RANDOM_CACHED = "random", "greedy", "successive halving", "random with our cache"
BASELINES = (ITAS, ITAS_CACHED, TUNED_BO, RANDOM, GREEDY, HALVING)
OWN = "own"
SEEDS_FOR_CALLS = 5  # where a baseline only says how many calls it makes
BUDGETS: Mapping[str, tuple[str, int]] = {
    "ITAS / 20": (ITAS, 20),
    "ITAS / 10": (ITAS, 10),
    "ITAS / 5": (ITAS, 5),
    "tuned BO / 2": (TUNED_BO, 2),
}
ADVERSARIAL, TIED, ARCHON = "adversarial", "tied", "archon"


@dataclass(frozen=True, slots=True)
class Cell:
    """A world, a level in calls a query, and how many development items."""

    kind: str
    world: int
    level: int
    items: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One search in one cell.

    Args:
        cell: where.
        method: by which search.
        budget: what its budget is called: `OWN`, or a key of `BUDGETS`.
        allowed: that budget, in calls.
        seed: decides the development items, all draws and the search's own choices.
    """

    cell: Cell
    method: str
    budget: str
    allowed: int
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of the study.

    Args:
        worlds: seeds of the worlds; tuning has used 1 to 8 alone.
        levels: calls a query.
        seeds: searches a cell and method.
        more_seeds: searches a cell and method in the variant.
        special_seeds: searches a level and method in the adversarial and the all-tied world.
        replicates: of each item, for the truth.
        pairs: of compositions, for the coverage of intervals.
        population: items of a world.
        items: development items.
        more_items: development items of the variant.
        shrink: divides the evaluations of ITAS, tuned BO and the others.
    """

    worlds: tuple[int, ...]
    levels: tuple[int, ...]
    seeds: int
    more_seeds: int
    special_seeds: int
    replicates: int
    pairs: int
    population: int = 1000
    items: int = 100
    more_items: int = 300
    shrink: int = 1

    def cells(self) -> list[tuple[Cell, int]]:
        """Every cell, with its number of seeds."""
        archon = [
            (Cell(ARCHON, world, level, self.items), self.seeds) for world in self.worlds for level in self.levels
        ]
        more = [(replace(cell, items=self.more_items), self.more_seeds) for cell, _ in archon]
        special = [
            (Cell(kind, self.worlds[0], level, self.items), self.special_seeds)
            for kind in (ADVERSARIAL, TIED)
            for level in self.levels
        ]
        return [each for each in archon + more + special if each[1]]

    def baselines(self) -> Iterator[Trial]:
        """What runs to its own end."""
        for cell, seeds in self.cells():
            methods = BASELINES if cell.kind == ARCHON and cell.items == self.items else (ITAS, TUNED_BO)
            few = seeds if cell.kind == ARCHON else min(seeds, SEEDS_FOR_CALLS)
            yield from (Trial(cell, method, OWN, UNLIMITED, seed) for method in methods for seed in range(few))

    def ours(self, calls: Mapping[tuple[Cell, str], float]) -> Iterator[Trial]:
        """What runs on a share of the calls that a baseline made, by cell and baseline."""
        for cell, seeds in self.cells():
            methods = (OURS, RANDOM_CACHED) if cell.kind == ADVERSARIAL else (OURS,)
            for budget, (baseline, share) in BUDGETS.items():
                most = int(calls[cell, baseline] / share)
                yield from (Trial(cell, method, budget, most, seed) for method in methods for seed in range(seeds))


FULL = Plan((101, 102, 103, 104, 105), (20, 30, 50), 20, 5, 20, 16, 1000)
QUICK = Plan((101,), (20,), 2, 0, 1, 2, 100, population=200, items=40, shrink=10)
