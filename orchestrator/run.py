"""One call: run a pipeline on one question, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from .budget import Budget, Ledger
from .canonical import stable_id
from .engine import EngineSpec
from .errors import UsageError
from .journal_file import JournalFile, Spent
from .parts import needing_reference
from .pipeline import Pipeline
from .run_state import Watcher, Written
from .runtime import Done, Runtime, Task
from .strategy import Strategy
from .types import Query, Result, Usage

T = TypeVar("T")
DEFAULT_BUDGET = Budget(total_tokens=1_000_000, seconds=600)


async def arun(
    strategy: Strategy,
    query: str | Query,
    *,
    engines: Mapping[str, EngineSpec] | None = None,
    budget: Budget = DEFAULT_BUDGET,
    journal: str | Path | None = None,
    seed: int = 0,
    on_resume: Callable[[Spent], None] | None = None,
    on_written: Callable[[Written], None] | None = None,
) -> Result:
    """Run `strategy` on `query`, starting and stopping its engines.

    Args:
        strategy: a pipeline, or a single strategy with its `engines`.
        query: a question, or a whole conversation.
        engines: by the names the strategy uses; a pipeline brings its own.
        budget: hard limits for everything the run spends; a million tokens and ten minutes unless given. What the
            same call spent before, lost calls included, counts towards all of them but the seconds.
        journal: a file that records every effect, so that the same call again pays for nothing twice.
        seed: chooses the draws.
        on_resume: told what was spent before, where this call went on from one that spent something.
        on_written: told what workers that write side by side write, as they write it, also what the journal holds of
            it; `show_workers` gives one that shows it.

    Raises:
        UsageError: the strategy cannot work as it stands, or not without a reference answer.
        BudgetExceeded: the budget, or what earlier runs left of it, cannot pay for one attempt.
    """
    if not isinstance(strategy, Strategy):
        raise UsageError(f"strategy must be a pipeline or a strategy, got {strategy!r}; build one, or load a file")
    if not -(2**63) <= seed < 2**63:
        raise UsageError(f"seed must fit in 64 bits, got {seed}; choose a smaller one")
    asked = Query.ask(query) if isinstance(query, str) else query
    if not isinstance(asked, Query):
        raise UsageError(f"a query must be a text or a ponder.Query, got {type(asked).__name__}; use ponder.Query.ask")
    if isinstance(strategy, Pipeline):
        engines = {**strategy.engines, **(engines or {})}
        strategy = strategy.model_copy(update={"engines": engines}).check()
    missing = [name for name in strategy.engine_names() if name not in (engines or {})]
    if missing:
        raise UsageError(
            f"engines must hold {missing[0]!r}, which {strategy.kind} asks; pass engines={{{missing[0]!r}: ...}}"
        )
    _check_reference(strategy, asked)
    file = JournalFile(journal) if journal is not None else None
    try:
        name = f"{strategy.kind}-{strategy.id}-{seed}-{stable_id(asked)}"
        run = file.open_run(name, {"strategy": strategy.id}) if file else 0
        before = file.spent(run) if file else Spent()
        task = Task(id=asked.id, strategy=strategy, query=asked, budget=budget)
        async with Runtime(engines or {}, store=file, run=run, seed=seed) as runtime:
            execute = partial(runtime.execute, watcher=Watcher(wrote=on_written))
            return await _go_on(execute, task, before, on_resume or (lambda spent: None))
    finally:
        if file is not None:
            file.close()


def _check_reference(strategy: Strategy, query: Query) -> None:
    verifier = needing_reference(strategy)
    if verifier is not None and not (query.reference or "").strip():
        raise UsageError(
            f"a query must have a reference answer where {verifier.name!r} judges, but this one has none; give it with "
            "ponder.Query.ask(text, reference=...), or judge with a reward model or by vote"
        )


async def _go_on(
    execute: Callable[[Task, Budget], Awaitable[Done]],
    task: Task,
    before: Spent,
    on_resume: Callable[[Spent], None],
) -> Result:
    """Run a task with what `before` left of its budget; draws that the journal holds cost nothing more."""
    lease = Ledger(task.budget, spent=before.total).room().model_copy(update={"seconds": None})
    done = await execute(task, lease)
    is_short = done.is_starved and done.paid == Usage()
    if before != Spent() and (is_short or done.paid != Usage()):
        on_resume(before)
    if is_short and not done.result.candidates:  # not one attempt fits: refused with what is short, as at the start
        done = await execute(task.model_copy(update={"budget": lease}), lease)
    return done.result


def run(
    strategy: Strategy,
    query: str | Query,
    *,
    engines: Mapping[str, EngineSpec] | None = None,
    budget: Budget = DEFAULT_BUDGET,
    journal: str | Path | None = None,
    seed: int = 0,
    on_resume: Callable[[Spent], None] | None = None,
    on_written: Callable[[Written], None] | None = None,
) -> Result:
    """`arun` for code that is not asynchronous.

    Raises:
        UsageError: an event loop is running already, as in a notebook; there, use ``await ponder.arun(...)``.
    """
    asked = partial(arun, strategy, query, engines=engines, budget=budget, journal=journal, seed=seed)
    return outside_a_loop("run", partial(asked, on_resume=on_resume, on_written=on_written))


def outside_a_loop(name: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What `work` gives, in an event loop of its own.

    Raises:
        UsageError: an event loop is running already.
    """
    if asyncio._get_running_loop() is not None:
        raise UsageError(
            f"{name} must be called outside an event loop, but one is running; use await ponder.a{name}(...) here"
        )
    return asyncio.run(work())
