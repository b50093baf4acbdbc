"""Every strategy that draws from the query's own prompt alone is replayed whole from the pools it is said to need."""

from contextlib import nullcontext

import pytest
from test_strategies import CASES

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.journal import Journal, Memory
from ponder.orchestrator.run_state import Run
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Candidate, Query
from ponder.search.pools.needs import Need, needs
from ponder.search.pools.recorded import Recorded
from ponder.search.pools.replay import replay

QUERY = Query.ask("Problem 3?", reference="579")
OPEN = {name: SimulatedSpec().open() for name in ("generator", "second", "reward", "judge")}
GATES = {name: nullcontext() for name in OPEN}
PLAIN = [name for name, strategy in CASES.items() if needs(strategy) is not None]
APART = {"rank", "rank-ensemble", "vote", "cascade", "cascade-branches", "unit_test_evaluator-executed", "branches"}
"""Cases whose live runs draw at places of their own, and so other draws than a pool's."""


async def label(candidate: Candidate) -> float:
    return float("579" in candidate.text)


async def draw(pool: Need, store: Memory) -> None:
    """Draw a pool and have it judged."""
    run = Run("pool", OPEN, GATES, Ledger(Budget()), Ledger(Budget()), Journal(store))
    ctx = Context(run, "pool")
    drawn = await ctx.sample(QUERY, pool.draws, pool.sampling, engine=pool.engine)
    for verifier in pool.verifiers:
        await ctx.score(QUERY, drawn, verifier)


def test_most_strategies_that_stop_or_choose_can_be_replayed() -> None:
    kinds = {CASES[name].kind for name in PLAIN}
    assert kinds >= {"adaptive_consistency", "esc", "first_accepted", "adaptive_sampling", "cascade", "best_of_n"}


@pytest.mark.parametrize("name", PLAIN)
async def test_pools_of_the_size_it_needs_censor_nothing(name: str) -> None:
    strategy, store = CASES[name], Memory()
    runtime = Runtime(OPEN, store=store)
    for need in needs(strategy) or ():
        await draw(need, store)
    found = await replay(strategy, Recorded(store, QUERY, OPEN, needs(strategy) or (), label), 6)
    assert (found.censored, found.reason) == (0, "")
    live = await runtime.run(strategy, QUERY)
    if name not in APART | {"nested"}:
        assert found.outcomes[0] is not None
        assert found.outcomes[0].usage == live.usage
