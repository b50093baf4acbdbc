"""Our search: compositions race over items and replicates, and a surrogate says which step is worth its price."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, pairwise
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..problem import Ask, Decision, Problem, Row, Search
from .beliefs import Surrogate, costs_of
from .choosing import cheapest_of_tied, choices
from .evidence import Evidence
from .improvement import Batch
from .pilot import pilot
from .proposer import Proposer
from .rungs import FEWEST_ITEMS, Rungs, rungs_of

SPENT = 0.999
"""The share of the budget at which a search counts as out of it."""
MOST_PILOT = 0.5
"""The share of the budget that even the fewest compositions to begin with may cost: fewer tell too little."""


class RacingSearch(BaseModel):
    """A race over items and replicates that a Gaussian process directs, several levels at once.

    A pilot over all prices, then batch after batch: beliefs about every composition from what was measured, and for
    each level in turn the step (a first look, more items, another replicate) that is expected to improve most for
    its price. Nothing is dropped for good: what falls behind gets no further step while others promise more, and
    comes back if beliefs change. The end is reached when nothing promises to be better, or the budget is spent.

    Args:
        pilot: compositions to begin with, over all levels.
        pilot_share: of the budget, what the pilot may cost; half of it where the fewest compositions cost more.
        steps: items a composition is known on after each step, rising, 15 or more; then all.
        roomy: evaluations on all items, of a composition of middling price, that make a budget roomy: then every first
            look is at all items, since the luck of the first few is shared by all that stop at them.
        pools: replicates among which first looks are spread, batch by batch.
        replicates: of a composition, at most.
        batch: steps measured between two decisions.
        patience: share of the budget before which no tie with the cheapest is believed.
        tolerance: improvement in accuracy that is not worth any search.
        indifference: difference in accuracy that is not worth any cost of a query.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pilot: int = Field(default=32, ge=1)
    pilot_share: float = Field(default=0.125, gt=0, le=1)
    steps: tuple[Annotated[int, Field(ge=FEWEST_ITEMS)], ...] = (30, 60)
    roomy: float = Field(default=100.0, ge=0)
    pools: int = Field(default=4, ge=1)
    replicates: int = Field(default=8, ge=1)
    batch: int = Field(default=12, ge=1)
    patience: float = Field(default=0.25, ge=0, le=1)
    tolerance: float = Field(default=0.001, ge=0)
    indifference: float = Field(default=0.001, ge=0)

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise ValueError(f"steps must rise, got {steps}; name each number of items once, fewest first")
        return steps

    def search(self, problem: Problem, seed: int, proposers: Sequence[Proposer] = ()) -> Search:
        """Begin a search.

        Args:
            problem: what is searched.
            seed: all chance in the decisions.
            proposers: further sources of compositions worth a look; a third of each batch is theirs at most.
        """
        rng, evidence, surrogate = np.random.default_rng(seed), Evidence(problem.items), Surrogate(seed)
        rungs = self._rungs(problem)
        asks, begun = self._pilot(problem, evidence, rungs, rng), 0.0
        if not asks:
            return Decision((), "no composition is within a level")
        for turn in count(1):
            rows = yield asks
            evidence.add(rows)
            if _is_cut_short(asks, rows) or problem.spent >= SPENT:
                reason = "the budget is spent"
                break
            begun = begun or problem.spent
            beliefs, alpha = surrogate.beliefs(problem, evidence), (1 - problem.spent) / (1 - begun)
            batch = Batch(problem, evidence, beliefs, rungs, turn % self.pools, alpha)
            reason = self._fill(batch, proposers, rng)
            if not batch.asks:
                break
            asks = batch.asks
        if not evidence.compositions:
            return Decision((), reason)
        beliefs = surrogate.beliefs(problem, evidence)
        return Decision(tuple(choices(beliefs, problem.levels, rungs.fewest, self.indifference)), reason)

    def _rungs(self, problem: Problem) -> Rungs:
        """The steps that suit the budget."""
        costs = costs_of(problem)
        middling = int(np.argsort(costs, kind="stable")[len(costs) // 2])
        whole = problem.price([Ask(middling, tuple(range(problem.items)))])
        steps = () if whole * self.roomy <= 1 else self.steps
        return Rungs(rungs_of(steps, problem.items), self.pools, self.replicates)

    def _pilot(self, problem: Problem, evidence: Evidence, rungs: Rungs, rng: np.random.Generator) -> list[Ask]:
        """The first steps of the largest pilot that its share of the budget pays."""
        each = max(1, self.pilot // len(problem.levels))
        while True:
            numbers = pilot(costs_of(problem), problem.features, problem.levels, each, rng)
            asks = [ask for number in numbers if (ask := rungs.next_ask(evidence, number, 0))]
            if problem.price(asks) <= self.pilot_share:
                return asks
            if each == 1:
                return self._afforded(problem, asks)
            each //= 2

    def _afforded(self, problem: Problem, asks: Sequence[Ask]) -> list[Ask]:
        """The cheapest of the fewest first steps, as many as half of the budget pays and one at least."""
        kept: list[Ask] = []
        for ask in sorted(asks, key=lambda ask: problem.price([ask])):
            if not kept or problem.price([*kept, ask]) <= max(self.pilot_share, MOST_PILOT):
                kept.append(ask)
        return kept

    def _unseen(self, batch: Batch, rng: np.random.Generator) -> list[int]:
        """What else a whole pilot would look at, where fewer compositions were measured than it begins with."""
        problem, seen = batch.problem, batch.evidence.compositions
        if len(seen) >= self.pilot:
            return []
        each = max(1, self.pilot // len(problem.levels))
        numbers = pilot(costs_of(problem), problem.features, problem.levels, each, rng)
        return [number for number in numbers if number not in seen]

    def _fill(self, batch: Batch, proposers: Sequence[Proposer], rng: np.random.Generator) -> str:
        """Fill a batch, level by level in turn; why the search ends if the batch stays empty."""
        problem, fewest = batch.problem, batch.rungs.fewest
        levels = [level for level in problem.levels if batch.promise(level) > self.tolerance]
        if not levels:
            batch.grant(self._unseen(batch, rng), self.batch)
            return f"nothing is expected to be better by {100 * self.tolerance:g} points"
        if problem.spent >= self.patience:
            levels = [level for level in levels if cheapest_of_tied(batch.beliefs, level, fewest) is None]
            if not levels:
                return "nothing is known to be better than the cheapest"
        cheapest = int(np.argmin(batch.beliefs.costs))
        if batch.beliefs.replicates[cheapest] < self.pools:
            batch.grant([cheapest], 1)
        for proposer in proposers:
            proposed = proposer.propose(batch.problem, batch.evidence, batch.incumbents, rng)
            batch.grant(proposed, len(batch.asks) + self.batch // (3 * len(proposers)))
        while len(batch.asks) < self.batch and levels:
            level = levels.pop(0)
            if batch.pick(level):
                levels.append(level)
        return "nothing that is left to measure fits the budget"


def _is_cut_short(asks: Sequence[Ask], rows: Sequence[Row]) -> bool:
    """Whether something that was asked did not come back at all."""
    return not {(ask.composition, ask.replicate) for ask in asks} <= {(row.composition, row.replicate) for row in rows}
