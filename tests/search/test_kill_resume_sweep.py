"""Killed at any moment, a sweep resumes to the same report, byte for byte, and pays for nothing twice."""

import asyncio
import os
import random
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import forked_child
import pytest
from sweeping import REWARD, TABLE, files, in_memory, searched, spent, sweep_of

from ponder.search.record import Record
from ponder.search.sweep import Sweep

pytestmark = pytest.mark.long
KILLS = 10
AMPLE, TIGHT = 1_000_000, 50_000


def sweep_within(tokens: int, **engine: object) -> Sweep:
    """A sweep of everything that can be shared: pools, replays, the beginnings of trees and of pipelines."""
    stages = [{"kind": "sample", "n": 3, "max_tokens": 48}, {"kind": "rank", "verifier": REWARD, "keep": 2}]
    options = [
        *TABLE["space"]["options"],
        {
            "kind": "rebase",
            "n": {"kind": "choice", "values": [2, 4]},
            "step_tokens": 16,
            "max_steps": 4,
            "verifier": REWARD,
        },
        {"kind": "pipeline", "stages": [*stages, {"kind": "vote"}]},
    ]
    knobs = {"jitter_s": 0.002, "max_in_flight": 8, **engine}
    return sweep_of(
        space={"options": options},
        engines={name: {**table, **knobs} for name, table in TABLE["engines"].items()},
        budget={"total_tokens": tokens},
        search={"replicates": 2},
    )


def in_child(sweep: Sweep, journal: Path, told: Callable[[int, str], None] = lambda row, when: None) -> int:
    """Run a sweep in a forked process; its exit status, negative for the signal that ended it."""
    return forked_child.in_child(lambda: asyncio.run(searched(sweep, journal, told)))


def kill_at(number: int, moment: str) -> Callable[[int, str], None]:
    """Kills the process at a row: before it is handed to the journal, while it may be being written, or after."""

    def told(row: int, when: str) -> None:
        if row == number and when == ("after" if moment == "after" else "before"):
            if moment == "meanwhile":
                threading.Timer(0.001, os.kill, (os.getpid(), signal.SIGKILL)).start()
            else:
                os.kill(os.getpid(), signal.SIGKILL)

    return told


def rows(journal: Path, query: str) -> list[tuple[bytes, bytes]]:
    with sqlite3.connect(journal) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with in_memory() as place:
        yield place


@pytest.mark.parametrize("tokens", [AMPLE, TIGHT])
def test_killed_at_any_row_it_resumes_to_the_same_report(folder: Path, tokens: int) -> None:
    sweep = sweep_within(tokens)
    handed: list[int] = []
    undisturbed = folder / f"{tokens}.db"
    asyncio.run(searched(sweep, undisturbed, lambda row, when: handed.append(row)))
    expected, cost = files(Record.read(undisturbed)), spent(undisturbed).effects
    effects = dict(rows(undisturbed, "SELECT key, value FROM effects"))
    rng, at_risk = random.Random(tokens), 0
    for number in sorted(rng.sample(range(1, max(handed)), KILLS)):
        journal = folder / f"{tokens}-{number}.db"
        assert (
            in_child(sweep, journal, kill_at(number, rng.choice(("before", "meanwhile", "after")))) == -signal.SIGKILL
        )
        paid = dict(rows(journal, "SELECT key, value FROM effects"))
        tokens_before = {token for token, _ in rows(journal, "SELECT token, key FROM intents")}
        at_risk += spent(journal).calls_at_risk
        if rng.random() < 0.3:
            in_child(sweep, journal, kill_at(3, "after"))
        assert in_child(sweep, journal) == 0
        assert files(Record.read(journal)) == expected
        again = {key for token, key in rows(journal, "SELECT token, key FROM intents") if token not in tokens_before}
        assert not again & paid.keys(), "a recorded effect was paid twice"
        assert dict(rows(journal, "SELECT key, value FROM effects")) == effects
        assert spent(journal).effects == cost
    assert at_risk, "no kill found a call in flight"


def test_the_report_has_the_same_bytes_at_any_concurrency(folder: Path) -> None:
    pages = set()
    for i, engine in enumerate(({"max_in_flight": 1, "jitter_s": 0}, {"max_in_flight": 64}, {"jitter_s": 0})):
        for tokens in (AMPLE, TIGHT):
            journal = folder / f"at-once-{i}-{tokens}.db"
            sweep = sweep_within(tokens, **engine)
            asyncio.run(searched(sweep, journal))
            pages.add((tokens, files(Record.read(journal))[:2]))
    assert len(pages) == 2, "one for each budget"
