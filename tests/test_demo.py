"""The main job on real input: Ray, vLLM, a sweep, a report, a served model, one question; an engine is killed."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray_actors import actors

from ponder.orchestrator.frontier import Frontier
from ponder.orchestrator.journal_file import ReadOnlyJournal
from ponder.search.record import Record

ROOT = Path(__file__).parent.parent
DRAWN = 6
"""Draws after which an engine is killed: of the first tasks."""
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


def test_the_demo_does_its_job_though_an_engine_is_killed(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    journal = tmp_path / "runs" / "small.db"
    command = [sys.executable, str(ROOT / "experiments" / "demo.py"), "small.toml"]
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        demo = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=err)
        try:
            drawn_before = killed_in_the_middle(demo, journal)
            status = demo.wait(500)
        finally:
            demo.kill()
    stdout, stderr = (tmp_path / "out").read_text(), (tmp_path / "err").read_text()
    assert status == 0, stderr
    check_what_it_says(stdout, tmp_path / "runs")
    assert drawn_before, "nothing was killed"
    *_, last = re.findall(r"confirmation: (\d+) of (\d+) tasks", stderr)
    assert last[0] == last[1]
    assert Record.read(journal).is_complete
    check_what_it_paid(journal, drawn_before)


def killed_in_the_middle(demo: subprocess.Popen[bytes], journal: Path) -> dict[object, object]:
    """What was drawn of a sweep, once it has begun, when its oldest engine was killed; empty where it was not."""
    while demo.poll() is None:
        if len(drawn := drawn_so_far(journal)) >= DRAWN:
            os.kill(actors("EngineActor")[0], signal.SIGKILL)
            return drawn
        time.sleep(0.02)
    return {}


def drawn_so_far(journal: Path) -> dict[object, object]:
    if not journal.exists() or not rows(journal, "SELECT * FROM sqlite_master WHERE name = 'effects'"):
        return {}
    return dict(rows(journal, "SELECT key, value FROM effects"))


def check_what_it_says(stdout: str, folder: Path) -> None:
    assert "Levels" in stdout
    assert "confirmed on 4 queries that had no part in the choice" in " ".join(stdout.split())
    assert "A: " in stdout
    assert (folder / "small.html").stat().st_size > 10_000
    frontier = Frontier.load(folder / "small.frontier.toml")
    assert f"asking small-{len(frontier.points)}\n" in stdout


def check_what_it_paid(journal: Path, drawn_before: dict[object, object]) -> None:
    """What was drawn before the kill stands, and no more is lost than was in flight."""
    after = dict(rows(journal, "SELECT key, value FROM effects"))
    assert {key: after[key] for key in drawn_before} == drawn_before
    reader = ReadOnlyJournal(journal)
    lost = reader.spent("small").lost
    reader.close()
    (tries,) = rows(journal, "SELECT count(*), count(DISTINCT key) FROM intents")
    assert tries[0] - tries[1] <= lost.calls + lost.verifier_calls <= 2 * 256


def rows(journal: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(journal) as connection:
        return connection.execute(query).fetchall()
