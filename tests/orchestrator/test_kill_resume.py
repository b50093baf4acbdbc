"""Killed at any commit of its journal, a run resumes to the same bytes, and pays for nothing that was recorded."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from forked_child import in_children

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.canonical import canonical_json, digest
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Completion, Prompt, Reading, Request, Sampling
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World, simulated_dataset
from ponder.orchestrator.journal import Journal
from ponder.orchestrator.journal_file import JournalFile, ReadOnlyJournal, Spent
from ponder.orchestrator.judging import Judging
from ponder.orchestrator.types import Candidate, Finish, Query

pytestmark = pytest.mark.long
KILLS = 300
AT_ONCE = 2
"""Runs side by side: as many as the smallest machine that tests run on has cores."""
CHAINS = (slice(0, 10), slice(10, 12))
LINE = Sampling(stop=("\n",), max_tokens=12, temperature=0.9)
SPEC = SimulatedSpec(world=World(seed=9, steps=4, branching=3), reward_noise=0.5, jitter_s=0.0002)


def served_id(key: bytes) -> int:
    """What a journal's key is called in the engine's log: the seed of its draw."""
    return int.from_bytes(key[:8], "big") >> 11


class LoggingEngine(SimulatedEngine):
    """A simulated engine that writes down what it serves, beyond the reach of a kill."""

    def __init__(self, log: Path) -> None:
        super().__init__(SPEC)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def complete(self, request: Request) -> Completion:
        os.write(self._log, b"%d\n" % request.seed)
        return await super().complete(request)

    async def read(self, prompt: Prompt) -> Reading:
        key = digest("read", self.identity, prompt.messages, prompt.text)
        os.write(self._log, b"%d\n" % served_id(key))
        return await super().read(prompt)


@dataclass(frozen=True)
class Files:
    """Where one run leaves its traces."""

    folder: Path

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def log(self) -> Path:
        return self.folder / "served"

    @property
    def result(self) -> Path:
        return self.folder / "result"

    def served(self) -> Counter[int]:
        return Counter(map(int, self.log.read_text().split())) if self.log.exists() else Counter()

    def effects(self) -> dict[bytes, bytes]:
        return dict(self._rows("SELECT key, value FROM effects"))

    def in_flight(self) -> set[int]:
        """The calls with an intent and no effect."""
        query = "SELECT key, key FROM intents WHERE token NOT IN (SELECT token FROM effects)"
        return {served_id(key) for key, _ in self._rows(query)}

    def spent(self) -> Spent:
        journal = ReadOnlyJournal(self.journal)
        try:
            return journal.spent("run")
        finally:
            journal.close()

    def _rows(self, query: str) -> list[tuple[bytes, bytes]]:
        connection = sqlite3.connect(self.journal)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


async def search(query: Query, run: Run) -> list[object]:
    """Line by line, the better of two by the reward model: draws and readings that hang on one another."""
    ctx, judge = Context(run, "search"), Judging(run, "reward", "reward")
    best: Candidate | None = None
    path = []
    while best is None or best.finish is not Finish.EOS:
        drawn = await ctx.sample(query, 2, LINE, after=best)
        readings = await judge.read([Prompt(query.messages, text=each.text) for each in drawn], "generator")
        values = [reading.rows[-1][-1] if reading and reading.rows else 0.0 for reading in readings]
        best = drawn[values.index(max(values))]
        path.append((best.piece, values, [candidate.usage for candidate in drawn]))
    return path


async def run_all(file: JournalFile, engine: SimulatedEngine) -> bytes:
    """The reference run: two chains of queries side by side, one long; its result as bytes."""
    journal = Journal(file, file.open_run("run", {"seed": 5}))
    gate, account = asyncio.Semaphore(8), Ledger(Budget())

    async def chain(queries: list[Query]) -> list[object]:
        found: list[object] = []
        for query in queries:
            ledger = Ledger(Budget(total_tokens=5_000))
            run = Run(query.id, {"generator": engine}, {"generator": gate}, ledger, account, journal, seed=5)
            path = await search(query, run)
            found.append((query.id, path, ledger.spent, run.stopped))
            await journal.finish(query.id, canonical_json(found[-1]))
        return found

    queries = simulated_dataset(12, SPEC.world)
    return canonical_json(await asyncio.gather(*(chain(queries[part]) for part in CHAINS)))


def run_once(files: Files, on_commit: Callable[[int, str], None] | None = None) -> None:
    file = JournalFile(files.journal, on_commit=on_commit)
    files.result.write_bytes(asyncio.run(run_all(file, LoggingEngine(files.log))))
    file.close()


def kill_at(number: int, when: str) -> Callable[[int, str], None]:
    def on_commit(commit: int, moment: str) -> None:
        if (commit, moment) == (number, when):
            os.kill(os.getpid(), signal.SIGKILL)

    return on_commit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one: a killed process, unlike a power cut, leaves what it wrote there too."""
    if os.access("/dev/shm", os.W_OK):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
            yield Path(name)
    else:
        yield tmp_path_factory.mktemp("kills")


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> Files:
    files = Files(folder / "undisturbed")
    files.folder.mkdir()
    commits: list[int] = []
    run_once(files, lambda number, when: commits.append(number))
    assert max(commits) >= KILLS, "the reference run must have a commit for every kill"
    assert len(set(files.served().values())) == 1
    return files


@dataclass(frozen=True)
class Left:
    """What a killed run has left: what it paid, what was in flight, what it had spent and what was served."""

    paid: dict[bytes, bytes]
    in_flight: set[int]
    spent: Spent
    served: Counter[int]

    @classmethod
    def by(cls, files: Files) -> Left:
        return cls(files.effects(), files.in_flight(), files.spent(), files.served())

    @property
    def paid_ids(self) -> set[int]:
        return {served_id(key) for key in self.paid}


def killed(number: int, folder: Path) -> tuple[Files, Callable[[], None]]:
    """The files of the run that is killed at a commit, and that run."""
    files = Files(folder / str(number))
    files.folder.mkdir()
    return files, partial(run_once, files, kill_at(number, "before" if number // 6 % 2 else "after"))


@pytest.mark.parametrize("block", range(6))
def test_killed_at_any_commit_it_resumes_to_the_same_bytes(block: int, undisturbed: Files, folder: Path) -> None:
    whole, resent_in_all, numbers = Left.by(undisturbed), 0, range(1 + block, KILLS + 1, 6)
    for first in range(0, len(numbers), AT_ONCE):
        runs = [killed(number, folder) for number in numbers[first : first + AT_ONCE]]
        assert in_children(run for _, run in runs) == [-signal.SIGKILL] * len(runs)
        left = [Left.by(files) for files, _ in runs]
        assert in_children(partial(run_once, files) for files, _ in runs) == [0] * len(runs)
        for (files, _), before in zip(runs, left, strict=True):
            assert files.result.read_bytes() == undisturbed.result.read_bytes()
            resent_in_all += check_resumed(files, before, whole)
            shutil.rmtree(files.folder)
    assert resent_in_all > 0, "no kill found a call in flight: the test shows nothing about re-sending"


def check_resumed(files: Files, before: Left, whole: Left) -> int:
    """Compare what a run had left when it was killed and when it was resumed; how many calls it sent again."""
    after = Left.by(files)
    assert before.spent.calls_at_risk == len(before.in_flight)
    assert before.served.keys() <= before.paid_ids | before.in_flight, "a call began before its intent was on disk"
    again = after.served - before.served
    at_risk = before.served.keys() | before.in_flight
    assert not before.paid_ids & again.keys(), "a recorded effect was paid twice"
    assert again.keys() & at_risk == before.in_flight, "what was at risk is sent again, and only that"
    assert max(again.values(), default=1) == 1
    assert after.served.keys() == whole.served.keys()
    assert after.paid == whole.paid
    assert before.paid.items() <= whole.paid.items(), "a paid sample was lost"
    assert after.spent.settled == whole.spent.settled
    assert (after.spent.at_risk, after.spent.calls_at_risk) == (before.spent.at_risk, before.spent.calls_at_risk)
    return len(again.keys() & before.served.keys())
