"""Replay: one pool of draws tells what a strategy that draws as it goes would answer and cost, without bias.

Independent draws may have come in any order. So the strategy itself runs over many orders of a pool, by its own code,
with its draws found instead of made: each order gives an answer and exactly what a fresh run would have paid. Their
mean over orders estimates what a fresh run gives on average. An order in which the strategy wants what was never drawn
or judged is *censored*: such orders are those in which it goes on for long, so that the mean over the others is biased.

The protocol is that of Stroebl, Kapoor and Narayanan 2024 (arXiv 2411.17501), who replay resampling over a thousand
orders of a pool and cut what is censored; here it is told.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...orchestrator.errors import UsageError
from ...orchestrator.strategy import Strategy
from ...orchestrator.types import Usage
from .recorded import ROOT, NotRecorded, Recorded
from .replay_context import ReplayContext

ORDERS = 32


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a strategy gave for one order of its pools.

    Args:
        label: how right its answer is.
        usage: what the answer costs when it is made afresh.
    """

    label: float
    usage: Usage


@dataclass(frozen=True, slots=True)
class Replay:
    """What a strategy gave for each order of a query's pools; None where it was censored.

    Args:
        outcomes: in the order of the orders.
        reason: what the first order that was censored came to; empty where none was.
    """

    outcomes: tuple[Outcome | None, ...]
    reason: str = ""

    @property
    def censored(self) -> float:
        """The share of the orders that were censored."""
        return self.outcomes.count(None) / len(self.outcomes)

    @property
    def complete(self) -> tuple[Outcome, ...]:
        """The outcomes that were not censored; their mean is biased where others were."""
        return tuple(outcome for outcome in self.outcomes if outcome is not None)


async def replay(strategy: Strategy, recorded: Recorded, orders: int = ORDERS) -> Replay:
    """What `strategy` gives for so many orders of a query's pools.

    Orders depend on the query alone, so that strategies are compared on the same ones. Nothing is paid or written.

    Args:
        strategy: any; one that draws from the query's own prompt alone is never censored where its pools are as large
            as `needs` says and its verifiers have judged them.
        recorded: the query's pools.
        orders: how many, 1 or more; as many as a pool has draws, or a multiple, sees each draw in each place equally
            often.

    Raises:
        UsageError: `orders` is not positive.
    """
    if orders < 1:
        raise UsageError(f"orders must be at least 1, got {orders}; 32 are enough where a pool has 16 draws")
    outcomes: list[Outcome | None] = []
    reason = ""
    for order in range(orders):
        try:
            outcomes.append(await _replayed(strategy, recorded, order))
        except NotRecorded as error:
            outcomes.append(None)
            reason = reason or str(error)
    return Replay(tuple(outcomes), reason)


async def _replayed(strategy: Strategy, recorded: Recorded, order: int) -> Outcome:
    run = recorded.run(str(order))
    ctx = ReplayContext(run, strategy.kind, ROOT, recorded, recorded.order(order))
    try:
        candidates = await strategy.run(recorded.query, [], ctx)
    except BaseExceptionGroup as errors:
        missing, others = errors.split(NotRecorded)
        if missing is None or others is not None:
            raise
        raise NotRecorded("what parts that run side by side ask must be recorded, but is not") from None
    return Outcome(await recorded.label(candidates), run.ledger.spent)
