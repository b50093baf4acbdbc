"""What the workers wrote: every problem of every cell run once, through the runtime, over the torch engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines import TorchSpec
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.run_state import Watcher, Written
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.runtime import Task as Job

from .arms import team
from .tasks import Problem, Task, query_of

AT_ONCE = 64
MODEL = "abacus-workers"
UNLIMITED = Budget()


@dataclass(frozen=True, slots=True)
class Cell:
    """Problems of one task, worked on in one way.

    Args:
        task: whose problems.
        workers: how many write.
        layout: what they see of each other.
        copies: independent runs of each problem.
    """

    task: Task
    workers: int
    layout: str
    copies: int = 1

    @property
    def name(self) -> str:
        return f"{self.task.name}, {self.workers}, {self.layout}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the workers of one problem wrote.

    Args:
        texts: of each worker in each copy.
        drawn: tokens drawn in all copies.
        read: tokens read besides: prompt and openings.
    """

    problem: Problem
    texts: tuple[tuple[str, ...], ...]
    drawn: int
    read: int


async def worked(cells: Sequence[Cell], problems: int, seed: int, journal: Path) -> dict[str, list[Outcome]]:
    """The outcomes of every cell; what the journal holds is not drawn again."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    file = JournalFile(journal)
    gate = asyncio.Semaphore(AT_ONCE)
    try:
        run = file.open_run(f"hogwild-{seed}", {"problems": str(problems)})
        async with Runtime({"generator": TorchSpec(model=MODEL)}, store=file, run=run, seed=seed) as runtime:
            found = {}
            for cell in cells:
                asked = cell.task.problems(problems, cell.workers, seed)
                work = [_outcome(runtime, cell, i, problem, gate) for i, problem in enumerate(asked)]
                found[cell.name] = list(await asyncio.gather(*work))
                print(f"{cell.name}: {len(asked)} problems", flush=True)
            return found
    finally:
        file.close()


async def _outcome(runtime: Runtime, cell: Cell, i: int, problem: Problem, gate: asyncio.Semaphore) -> Outcome:
    async with gate:
        texts, drawn, read = [], 0, 0
        for copy in range(cell.copies):
            written = [""] * cell.workers

            def hear(said: Written, written: list[str] = written) -> None:
                if said.kind == "drawn":
                    written[said.worker] += said.text

            strategy = team(problem, cell.workers, cell.layout)
            name = f"{cell.name}, {i}"
            job = Job(
                id=f"{name}, {copy}", strategy=strategy, query=query_of(problem, name), budget=UNLIMITED, replicate=copy
            )
            usage = (await runtime.execute(job, UNLIMITED, Watcher(wrote=hear))).result.usage
            texts.append(tuple(written))
            drawn, read = drawn + usage.completion_tokens, read + usage.prompt_tokens
        return Outcome(problem, tuple(texts), drawn, read)
