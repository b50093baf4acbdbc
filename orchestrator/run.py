"""One call: run a pipeline on one question, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from .budget import Budget
from .canonical import stable_id
from .engine import EngineSpec
from .errors import UsageError
from .journal_file import JournalFile
from .pipeline import Pipeline
from .runtime import Runtime
from .strategy import Strategy
from .types import Query, Result

DEFAULT_BUDGET = Budget(total_tokens=1_000_000, seconds=600)


async def arun(
    strategy: Strategy,
    query: str | Query,
    *,
    engines: Mapping[str, EngineSpec] | None = None,
    budget: Budget = DEFAULT_BUDGET,
    journal: str | Path | None = None,
    seed: int = 0,
) -> Result:
    """Run `strategy` on `query`, starting and stopping its engines.

    Args:
        strategy: a pipeline, or a single strategy with its `engines`.
        query: a question, or a whole conversation.
        engines: by the names the strategy uses; a pipeline brings its own.
        budget: hard limits for everything the run spends; a million tokens and ten minutes unless given.
        journal: a file that records every effect, so that the same call again pays for nothing twice.
        seed: chooses the draws.

    Raises:
        UsageError: the strategy cannot work as it stands.
        BudgetExceeded: the budget cannot pay for one attempt.
    """
    asked = Query.ask(query) if isinstance(query, str) else query
    if isinstance(strategy, Pipeline):
        engines = {**strategy.engines, **(engines or {})}
        strategy = strategy.model_copy(update={"engines": engines}).check()
    missing = [name for name in strategy.engine_names() if name not in (engines or {})]
    if missing:
        raise UsageError(
            f"engines must hold {missing[0]!r}, which {strategy.kind} asks; pass engines={{{missing[0]!r}: ...}}"
        )
    file = JournalFile(journal) if journal is not None else None
    try:
        name = f"{strategy.kind}-{strategy.id}-{seed}-{stable_id(asked)}"
        run = file.open_run(name, {"strategy": strategy.id}) if file else 0
        async with Runtime(engines or {}, store=file, run=run, seed=seed) as runtime:
            return await runtime.run(strategy, asked, budget)
    finally:
        if file is not None:
            file.close()


def run(
    strategy: Strategy,
    query: str | Query,
    *,
    engines: Mapping[str, EngineSpec] | None = None,
    budget: Budget = DEFAULT_BUDGET,
    journal: str | Path | None = None,
    seed: int = 0,
) -> Result:
    """`arun` for code that is not asynchronous.

    Raises:
        UsageError: an event loop is running already, as in a notebook; there, use ``await ponder.arun(...)``.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(arun(strategy, query, engines=engines, budget=budget, journal=journal, seed=seed))
    raise UsageError("run must be called outside an event loop, but one is running; use await ponder.arun(...) here")
