"""What was measured, as arrays: of each strategy and size, and of the pools at any number of draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.orchestrator.types import Usage
from ponder.search.pools.estimators import best_of_n, coverage, mean, pass_at_k
from ponder.search.pools.pool import Draw, Pool
from ponder.search.pools.votes import vote, weighted_vote

from .cells import COLUMNS, Plan, rows
from .ladders import LADDERS, POOLS

Floats = NDArray[np.float64]
BINS: Mapping[str, range] = {"all": range(1, 9), "easy": range(1, 3), "middle": range(3, 6), "hard": range(6, 9)}
"""Problems by their number of steps."""

GRID = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Draws at which a pool is estimated; between two of them cost and accuracy are interpolated."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A strategy at one size: for each problem the mean over seeds.

    Args:
        correct: how often it was right.
        costs: by name: ``completion_tokens``, ``flops`` and the other counts of the usage.
    """

    correct: Floats
    costs: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class PoolMethod:
    """A way to answer from N draws of one pool."""

    title: str
    pool: str
    estimate: Callable[[Pool, int], float]
    judges: bool = True
    is_oracle: bool = False


METHODS: Mapping[str, PoolMethod] = {
    "sample": PoolMethod("Single draw", "reward_pool", mean, judges=False),
    "self_consistency": PoolMethod("Majority vote", "reward_pool", vote, judges=False),
    "best_of_n": PoolMethod("Best-of-N, reward model", "reward_pool", best_of_n),
    "weighted_best_of_n": PoolMethod("Weighted Best-of-N, reward model", "reward_pool", weighted_vote),
    "self_best_of_n": PoolMethod("Best-of-N, self-evaluation", "self_pool", best_of_n),
    "self_weighted": PoolMethod("Weighted vote, self-evaluation", "self_pool", weighted_vote),
    "coverage": PoolMethod("Coverage (needs the answers)", "reward_pool", coverage, judges=False, is_oracle=True),
}
BASELINES = ("self_consistency", "best_of_n", "weighted_best_of_n")


@dataclass(frozen=True, slots=True)
class PoolCost:
    """What N of the draws of a problem cost on average: each is drawn, equal texts are judged once."""

    tokens: float
    drawing: float
    texts: tuple[tuple[int, int], ...]
    draws: int

    @classmethod
    def of(cls, draws: list[list[Any]]) -> PoolCost:
        texts: dict[int, list[int]] = {}
        for draw in draws:
            texts.setdefault(draw[6], []).append(draw[5])
        copies = tuple((len(each), each[0]) for each in texts.values())
        size = len(draws)
        return cls(sum(draw[3] for draw in draws) / size, sum(draw[4] for draw in draws) / size, copies, size)

    def judging(self, n: int) -> float:
        """FLOPs of judging the different texts among `n` draws; a single draw is not judged."""
        if n == 1:
            return 0.0
        return sum(flops * pass_at_k(self.draws, copies, n) for copies, flops in self.texts)

    def judgements(self, n: int) -> float:
        """Different texts among `n` draws."""
        return sum(pass_at_k(self.draws, copies, n) for copies, _ in self.texts) if n > 1 else 0.0


class Study:
    """All outcomes of a plan, read from its files."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._known: dict[tuple[str, int], Outcome] = {}

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """The number of steps of each problem."""
        return np.array([problem.steps for problem in self.plan.asked()])

    def within(self, name: str) -> NDArray[np.bool_]:
        """Which problems are in a bin."""
        return np.isin(self.steps, list(BINS[name]))

    @cached_property
    def runs(self) -> list[tuple[str, float, Outcome]]:
        """Every strategy and size that was measured; pools at powers of two. What was not computed is left out."""
        found: list[tuple[str, float, Outcome]] = []
        for name, method in METHODS.items():
            sizes = [n for n in self.grid if n & (n - 1) == 0 and not (method.is_oracle and n == 1)]
            found += [(name, n, self.pooled(name, n)) for n in sizes]
        for name in self.plan.ladders:
            for rung in self.plan.rungs:
                size = LADDERS[name].sizes[rung]
                try:
                    found.append((name, size, self._ladder(name, rung)))
                except FileNotFoundError:
                    print(f"{name} at {size:g} was not computed and is left out", flush=True)
        return found

    def _ladder(self, name: str, rung: int) -> Outcome:
        values = np.array(list(rows(self.plan, name, rung)), dtype=np.float64).mean(axis=0)
        columns = dict(zip(COLUMNS, values.T, strict=True))
        return Outcome(columns.pop("correct"), columns)

    @property
    def grid(self) -> tuple[int, ...]:
        """The numbers of draws that the pools can tell of."""
        return tuple(n for n in GRID if n <= self.plan.pool)

    def pooled(self, name: str, n: int) -> Outcome:
        """A method at `n` draws, estimated from its pool."""
        if (name, n) not in self._known:
            method = METHODS[name]
            pools, costs = self._pools[method.pool]
            judges = method.judges
            self._known[name, n] = Outcome(
                np.clip([method.estimate(pool, n) for pool in pools], 0, 1),
                {
                    "completion_tokens": np.array(
                        [n * c.tokens + (method.pool == "self_pool") * c.judgements(n) for c in costs]
                    ),
                    "flops": np.array([n * c.drawing + judges * c.judging(n) for c in costs]),
                    "calls": np.full(len(costs), float(n)),
                    "verifier_calls": np.array([judges * c.judgements(n) for c in costs]),
                },
            )
        return self._known[name, n]

    @cached_property
    def _pools(self) -> dict[str, tuple[list[Pool], list[PoolCost]]]:
        return {name: self._pool(name) for name in POOLS}

    def _pool(self, name: str) -> tuple[list[Pool], list[PoolCost]]:
        """One pool a problem, of the draws of all seeds."""
        seeds = list(rows(self.plan, name, 0))
        pools, costs = [], []
        for index, problem in enumerate(self.plan.asked()):
            draws = [draw for seed in seeds for draw in seed[index]]
            made = tuple(
                Draw(answer, label, score, Usage(completion_tokens=tokens))
                for answer, label, score, tokens, *_ in draws
            )
            pools.append(Pool(problem.prompt, str(problem.steps), made))
            costs.append(PoolCost.of(draws))
        return pools, costs


def titles() -> dict[str, str]:
    """Every strategy by its title, those from pools first."""
    from_pools = {name: method.title for name, method in METHODS.items() if not method.is_oracle}
    return from_pools | {name: ladder.title for name, ladder in LADDERS.items()}
