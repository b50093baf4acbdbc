"""The main job on real input: Ray, vLLM, a sweep, a report, a served model, one question; and a killed engine."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ponder.orchestrator.frontier import Frontier
from ponder.orchestrator.journal_file import ReadOnlyJournal
from ponder.search.run_sweep import run_sweep
from ponder.search.searching import Progress
from ponder.search.sweep import Sweep

ROOT = Path(__file__).parent.parent
SMALL = """
budget = { total_tokens = 200_000 }

[data]
kind = "abacus"
size = 12
steps = [1, 2]

[engines.generator]
kind = "vllm"
model = "abacus-generator"
core = 0

[engines.reward]
kind = "vllm"
model = "abacus-prm"
runner = "pooling"
core = 1

[checker]
kind = "abacus"

[[space.options]]
kind = "best_of_n"
max_tokens = 96
n = { kind = "choice", values = [2, 4] }
verifier = { kind = "process_reward" }

[[space.options]]
kind = "self_consistency"
max_tokens = 96
n = { kind = "choice", values = [1, 4] }
answer = { kind = "abacus" }
"""

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


def test_the_demo_does_its_job(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    command = [sys.executable, str(ROOT / "experiments" / "demo.py"), "small.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert "Levels" in done.stdout
    assert "confirmed on 4 queries that had no part in the choice" in " ".join(done.stdout.split())
    assert "A: " in done.stdout
    assert (tmp_path / "runs" / "small.html").stat().st_size > 10_000
    frontier = Frontier.load(tmp_path / "runs" / "small.frontier.toml")
    assert f"asking small-{len(frontier.points)}\n" in done.stdout


def engine_actors() -> list[int]:
    """The processes of the engine actors, oldest first."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and (folder / "cmdline").read_bytes().startswith(b"ray::EngineActor"):
                found.append(int(folder.name))
        except OSError:
            continue
    return sorted(found)


def rows(journal: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(journal) as connection:
        return connection.execute(query).fetchall()


def test_a_sweep_outlives_a_killed_vllm_actor(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    journal = tmp_path / "small.db"
    sweep = Sweep.load(tmp_path / "small.toml")
    drawn_before: dict[object, object] = {}

    def kill_once(progress: Progress) -> None:
        if progress.done >= 3 and not drawn_before:
            drawn_before.update(rows(journal, "SELECT key, value FROM effects"))
            os.kill(engine_actors()[0], signal.SIGKILL)

    record, progress = asyncio.run(run_sweep(sweep, journal, kill_once))
    assert drawn_before, "nothing was killed"
    assert progress.done == progress.tasks
    assert record.is_complete
    after = dict(rows(journal, "SELECT key, value FROM effects"))
    assert {key: after[key] for key in drawn_before} == drawn_before
    reader = ReadOnlyJournal(journal)
    lost = reader.spent(sweep.name).lost
    reader.close()
    (tries,) = rows(journal, "SELECT count(*), count(DISTINCT key) FROM intents")
    assert tries[0] - tries[1] <= lost.calls + lost.verifier_calls <= 2 * 256
