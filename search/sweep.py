"""The sweep: many compositions on one data set under one budget, resumable, with an interval on every number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ..orchestrator.budget import Budget, Ledger
from ..orchestrator.canonical import canonical_json, stable_id
from ..orchestrator.context import Context
from ..orchestrator.data.sources import AnyData, check_references
from ..orchestrator.engines import AnyEngine
from ..orchestrator.errors import BudgetExceeded, EngineUnavailable, ShapeError, UsageError
from ..orchestrator.journal import Journal, Memory, Store
from ..orchestrator.journal_file import JournalFile, ReadOnlyJournal, Spent
from ..orchestrator.pipeline_file import read_toml
from ..orchestrator.run_state import Run
from ..orchestrator.runtime import Done, Host, Runtime, Task, run_tasks
from ..orchestrator.shape import Estimate, Plan, Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Query, Score, Usage
from ..verifiers import AnyVerifier
from .arms import Arm, arms
from .grid import Grid, expand
from .pool import Draw, Pool

POOL = TypeAdapter(Pool)
BUDGET = "@budget"
"""Where the results of a run hold the budget it last ran under; no task has such a name."""


class Sweep(BaseModel):
    """A sweep as data.

    Args:
        name: names its run in the journal.
        data: where the queries come from; each must have a reference.
        engines: by the names the compositions use.
        checker: judges whether an answer is right; by rules, at no cost.
        grids: the compositions.
        budget: for the whole sweep; raising it and running again goes on where it stopped.
        seed: chooses the draws.
        where: ``ray`` (engines and runners as actors) or ``local`` (this process); the results are the same.
        replicas: replicas of each engine on a cluster; one where not named.
        runners: actors that run strategies on a cluster.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    data: AnyData
    engines: Mapping[str, AnyEngine]
    checker: AnyVerifier
    grids: tuple[Grid, ...]
    budget: Budget
    seed: int = 0
    where: Literal["ray", "local"] = "ray"
    replicas: Mapping[str, int] = {}
    runners: Annotated[int, Field(ge=1, le=1024)] = 1

    @classmethod
    def load(cls, path: str | Path) -> Sweep:
        """The sweep in a TOML file; its name is the file's where it has none.

        Raises:
            UsageError: no such file, or no sound sweep.
        """
        try:
            return cls.model_validate({"name": Path(path).stem, **read_toml(path)})
        except ValidationError as error:
            raise UsageError.from_validation(f"the sweep in {path}", error) from None

    def compositions(self) -> list[Strategy]:
        """Every composition, checked.

        Raises:
            UsageError: one that cannot work, or asks an engine that is not there.
        """
        if self.checker.engine_names():
            raise UsageError(f"checker must judge by rules, but {self.checker.kind!r} asks an engine; choose another")
        self.checker.check()
        found = expand(self.grids)
        for strategy in found:
            strategy.infer(Shape(), Plan(node=strategy.kind))
            for engine in strategy.engine_names():
                if engine not in self.engines:
                    known = ", ".join(sorted(self.engines)) or "none"
                    rule = f"engine {engine!r} must be one of the sweep's ({known})"
                    raise ShapeError(strategy.kind, rule, f"add [engines.{engine}], or name another")
        return found

    def header(self) -> dict[str, Any]:
        """What must stay the same for a run to be resumed: all but the budget and where it runs."""
        return self.model_dump(mode="json", exclude={"budget", "where", "replicas", "runners"})


@dataclass(slots=True)
class Progress:
    """How far a sweep is; handed to the observer after each task."""

    tasks: int
    done: int = 0
    replayed: int = 0
    draws: int = 0
    cut: int = 0
    paid: Usage = Usage()
    budget: Budget = Budget()
    before: Spent = Spent()

    @property
    def spent(self) -> Usage:
        """What the budget has paid, before and in this run."""
        return self.before.total + self.paid


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a sweep has found: the pools of each arm, by arm and query, and what all their draws cost, each once."""

    sweep: Sweep
    queries: Sequence[Query]
    arms: Sequence[Arm]
    pools: Mapping[tuple[str, str], Pool]
    paid: Usage

    @classmethod
    def read(cls, path: str | Path, name: str | None = None) -> Evidence:
        """The evidence in a journal, even while a sweep writes it.

        Raises:
            UsageError: it holds no sweep, or several and `name` is none of them.
        """
        with closing(ReadOnlyJournal(path)) as journal:
            headers = {run: header for run, header in journal.runs().items() if "grids" in header}
            if name is None and len(headers) == 1:
                name = next(iter(headers))
            if name not in headers:
                known = ", ".join(headers) or "none"
                raise UsageError(f"the journal {path} must hold the sweep asked for, got {name}; it holds: {known}")
            recorded = journal.results(name).get(BUDGET, b"{}")
            sweep = Sweep.model_validate({**headers[name], "budget": orjson.loads(recorded)})
            results, paid = journal.results(name), journal.spent(name).effects
        found, queries = arms(sweep.compositions()), sweep.data.load()
        names = {task_id(arm, query): (arm.id, query.id) for arm in found for query in queries}
        pools = {names[task]: POOL.validate_json(value) for task, value in results.items() if task in names}
        return cls(sweep, queries, found, pools, paid)


def task_id(arm: Arm, query: Query) -> str:
    """The name of an arm's task on a query; it changes with the query, so that no old result stands for a new one."""
    return f"{arm.id}/{query.id}/{stable_id(query)}"


async def run_sweep(
    sweep: Sweep, journal: str | Path, observe: Callable[[Progress], None] = lambda progress: None
) -> tuple[Evidence, Progress]:
    """Run what is left of a sweep, recording everything in `journal`.

    Raises:
        UsageError: the sweep cannot work as written.
        BudgetExceeded: the budget cannot pay for one task.
        JournalError: the journal holds another sweep of this name, or cannot be written.
    """
    queries = check_references(sweep.data.load())
    found = arms(sweep.compositions())
    file = JournalFile(journal)
    try:
        run = file.open_run(sweep.name, sweep.header())
        before, results = file.spent(run), file.results(run)
    except BaseException:
        file.close()
        raise
    tasks = {
        task_id(arm, query): (arm, query) for query in queries for arm in found if task_id(arm, query) not in results
    }
    total = len(found) * len(queries)
    progress = Progress(total, total - len(tasks), total - len(tasks), budget=sweep.budget, before=before)
    observe(progress)
    if not tasks:
        file.close()
    elif sweep.where == "local":
        with closing(file):
            async with Runtime(sweep.engines, store=file, run=run, seed=sweep.seed) as runtime:
                await _run(sweep, runtime, file, run, tasks, progress, observe)
    else:
        file.close()
        await _run_on_cluster(sweep, journal, run, tasks, progress, observe)
    return Evidence.read(journal, sweep.name), progress


async def _run_on_cluster(
    sweep: Sweep,
    journal: str | Path,
    run: int,
    tasks: Mapping[str, tuple[Arm, Query]],
    progress: Progress,
    observe: Callable[[Progress], None],
) -> None:
    from ..orchestrator.cluster import Cluster

    async with Cluster(
        sweep.engines, journal=journal, run=run, seed=sweep.seed, replicas=sweep.replicas, runners=sweep.runners
    ) as cluster:
        assert cluster.store is not None
        await _run(sweep, cluster, cluster.store, run, tasks, progress, observe)


async def _run(
    sweep: Sweep,
    host: Host,
    store: Store,
    run: int,
    tasks: Mapping[str, tuple[Arm, Query]],
    progress: Progress,
    observe: Callable[[Progress], None],
) -> None:
    """Run tasks, judge and record their results."""
    await _check_budget(host, sweep.budget, tasks, progress)
    judge = Judge(sweep)
    journal = Journal(store, run)
    await journal.finish(BUDGET, canonical_json(sweep.budget))

    async def record(done: Done) -> None:
        progress.paid += done.paid
        progress.cut += done.is_cut
        if not done.is_cut and done.result.stopped in ("done", "error"):
            arm, query = tasks[done.task]
            pool = await judge.pool(arm, query, done)
            await journal.finish(done.task, canonical_json(pool))
            progress.done += 1
            progress.draws += len(pool)
        observe(progress)

    todo = [Task(id=name, strategy=arm.strategy, query=query) for name, (arm, query) in tasks.items()]
    await run_tasks(host, todo, sweep.budget, spent=progress.before.total, on_done=record)
    if progress.cut:
        raise EngineUnavailable(
            f"{progress.cut} of {progress.tasks} tasks lost calls to an engine that stayed away; everything else is "
            "recorded; see to the engine, then run the same command again"
        )


async def _check_budget(host: Host, budget: Budget, tasks: Mapping[str, tuple[Arm, Query]], progress: Progress) -> None:
    """Refuse a budget that cannot pay for the first task, before a call is made."""
    arm, query = next(iter(tasks.values()))
    least = (await host.estimate(arm.strategy, query)).least
    ledger = Ledger(budget, spent=progress.before.total)
    try:
        (await ledger.reserve(least)).release()
    except BudgetExceeded as error:
        if progress.done:
            return
        message = f"the budget must pay for one query of one arm at least, but {error}"
        raise UsageError(message) from None


class Judge:
    """Turns a finished task into a pool of judged draws, by rules alone.

    A rule that fails loses no draw: what it cannot read abstains, what it cannot tell is wrong and marked as unjudged.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._checker = sweep.checker

    async def pool(self, arm: Arm, query: Query, done: Done) -> Pool:
        """The judged draws of a task: its candidates, or its answer where the arm is no pool.

        Draws that were lost count as wrong, and cost what was charged for them.
        """
        wanted = arm.draws or 1
        candidates = (
            sorted(done.result.candidates[:wanted], key=lambda c: c.index)
            if arm.draws
            else (list(done.result.candidates[:1]))
        )
        marks, answers = await self._read(arm, query, candidates)
        draws = [
            Draw(
                answer=answer,
                correct=mark.value or 0.0,
                score=None if score is None else score.value,
                generation=candidate.usage if arm.draws else done.result.usage,
                judgement=Usage() if score is None else score.usage,
                is_unjudged=mark.value is None,
            )
            for candidate, answer, mark in zip(candidates, answers, marks, strict=True)
            for score in [_score(candidate, arm)]
        ]
        count = wanted - len(draws)
        lost = (
            [Draw(answer=None, correct=0.0, generation=_lost(arm, done, count), is_lost=True)] * count if count else []
        )
        return Pool(query.id, str(query.metadata.get("difficulty", "")), (*draws, *lost))

    async def _read(
        self, arm: Arm, query: Query, candidates: Sequence[Candidate]
    ) -> tuple[list[Score], list[str | None]]:
        """What the checker says of each candidate, and each candidate's answer."""
        free = Ledger(Budget())
        run = Run(task="judge", engines={}, gates={}, ledger=free, account=free, journal=Journal(Memory()))
        ctx, bare = Context(run, "judge"), [replace(candidate, scores={}) for candidate in candidates]
        marks = [c.scores[self._checker.name] for c in await ctx.score(query, bare, self._checker)]
        answered = await ctx.answer(bare, arm.answer) if arm.answer else bare
        return marks, [candidate.answer for candidate in answered]


def _score(candidate: Candidate, arm: Arm) -> Score | None:
    return candidate.scores.get(arm.verifier.name) if arm.verifier else None


def _lost(arm: Arm, done: Done, count: int) -> Usage:
    """The share of each of `count` lost draws in what the task was charged beyond its candidates, rounded up."""
    judged = {c.seen: score.usage for c in done.result.candidates if (score := _score(c, arm))}
    known = Usage.total([c.usage for c in done.result.candidates] + list(judged.values())).as_dict()
    charged = done.result.usage.as_dict().items()
    return Usage(**{name: -(-max(0, amount - known.get(name, 0)) // count) for name, amount in charged})


async def estimate_sweep(sweep: Sweep) -> Estimate:
    """What a whole sweep may cost, on engines of this process; its critical path is the longest of one query."""
    queries = sweep.data.load()
    async with Runtime(sweep.engines) as runtime:
        parts = [await runtime.estimate(arm.strategy, query) for arm in arms(sweep.compositions()) for query in queries]
    return reduce(Estimate.beside, parts, Estimate())
