"""A small sweep on the simulated engine, run in this process, and what it leaves."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Engine
from ponder.orchestrator.journal import Journal, Retries
from ponder.orchestrator.journal_file import JournalFile, ReadOnlyJournal, Row, Spent
from ponder.orchestrator.runtime import Done, Host, Runtime, Task
from ponder.orchestrator.shape import Estimate
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Query
from ponder.search.record import Record
from ponder.search.reports.findings import report
from ponder.search.reports.report import csv, html
from ponder.search.reports.report_frontier import to_frontier
from ponder.search.run_sweep import run_sweep
from ponder.search.searching import Progress, Searching
from ponder.search.split import split
from ponder.search.sweep import Sweep

REWARD = {"kind": "process_reward"}
TEMPERATURES = {"kind": "choice", "values": [0.7, 1.0]}
DRAWS = {"kind": "choice", "values": [2, 4]}
TABLE: dict[str, Any] = {
    "name": "small",
    "data": {"kind": "simulated", "size": 10},
    "engines": {
        "generator": {"kind": "simulated"},
        "reward": {"kind": "simulated", "reward_noise": 1.0},
    },
    "checker": {"kind": "exact_match"},
    "space": {
        "options": [
            {"kind": "self_consistency", "max_tokens": 48, "temperature": TEMPERATURES, "n": DRAWS},
            {
                "kind": "best_of_n",
                "max_tokens": 48,
                "verifier": REWARD,
                "weighted": {"kind": "choice", "values": [False, True]},
                "temperature": TEMPERATURES,
                "n": {"kind": "choice", "values": [1, 2, 4]},
            },
            {"kind": "adaptive_consistency", "max_tokens": 48, "n": 4, "round": 1},
        ]
    },
    "budget": {"total_tokens": 1_000_000},
    "where": "local",
}


def sweep_of(**changes: Any) -> Sweep:
    return Sweep.model_validate({**TABLE, **changes})


def swept(
    sweep: Sweep, journal: Path, observe: Callable[[Progress], None] = lambda now: None
) -> tuple[Record, Progress]:
    return asyncio.run(run_sweep(sweep, journal, observe))


def page(record: Record) -> str:
    return html(report(record))


def files(record: Record) -> tuple[str, str, str]:
    """The report as a page and as a table, and the frontier's file."""
    made = report(record)
    frontier = to_frontier(made, record.sweep.name, record.sweep.engines)
    with tempfile.TemporaryDirectory() as folder:
        frontier.save(path := Path(folder) / "f.frontier.toml")
        return html(made), csv(made), path.read_text()


def spent(journal: Path, name: str = "small") -> Spent:
    with closing(ReadOnlyJournal(journal)) as reader:
        return reader.spent(name)


@dataclass
class WatchedHost:
    """A host, and everything that ended on it."""

    host: Host
    ended: list[tuple[Task, Budget, Done]] = field(default_factory=list)

    async def execute(self, task: Task, lease: Budget) -> Done:
        done = await self.host.execute(task, lease)
        self.ended.append((task, lease, done))
        return done

    async def estimate(self, strategy: Strategy, query: Query) -> Estimate:
        return await self.host.estimate(strategy, query)

    @property
    def engines(self) -> Mapping[str, Engine]:
        return self.host.engines


@dataclass
class WatchedStore:
    """A journal's file that says how many rows were handed to it, before and after they are written."""

    file: JournalFile
    told: Callable[[int, str], None]
    rows: int = 0

    async def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        return await self.file.get(keys)

    async def step(self, run: int, place: str) -> tuple[str, bytes] | None:
        return await self.file.step(run, place)

    async def append(self, rows: list[Row]) -> None:
        self.rows += len(rows)
        number = self.rows
        self.told(number, "before")
        await self.file.append(rows)
        self.told(number, "after")


async def searched(
    sweep: Sweep,
    path: Path,
    told: Callable[[int, str], None] = lambda row, when: None,
    retries: Retries = Retries(),
) -> tuple[Searching, WatchedHost]:
    """A sweep run to its end, still there to be looked into, and what ended meanwhile."""
    with closing(JournalFile(path)) as file:
        run, store = file.open_run(sweep.name, sweep.header()), WatchedStore(file, told)
        known, progress = file.results(run), Progress(budget=sweep.budget, before=file.spent(run))
        async with Runtime(sweep.engines, store=store, run=run, seed=sweep.seed, retries=retries) as runtime:
            watched = WatchedHost(runtime)
            searching = Searching(
                sweep,
                split(sweep.data.load(), sweep.confirmation),
                watched,
                Journal(store, run),
                results=known,
                path=path,
                progress=progress,
                observe=lambda now: None,
            )
            await searching.run()
    return searching, watched


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder in memory where there is one: a killed process, unlike a power cut, leaves what it wrote there too."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as name:
        yield Path(name)
