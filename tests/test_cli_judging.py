"""What the command line says of verifiers: whether they judged, what they gave, and where it finds their functions."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ponder.cli import main

PIPELINE = """
[[nodes]]
name = "best"
strategy = { kind = "best_of_n", n = 4, max_tokens = 64, verifier = VERIFIER }
[engines.generator]
kind = "simulated"
[engines.reward]
kind = "simulated"
"""
SWEEP = """
budget = { total_tokens = 100_000 }
where = "ray"
data = { kind = "simulated", size = 2 }
checker = { kind = "exact_match" }
engines = { generator = { kind = "simulated" } }
[[space.options]]
kind = "best_of_n"
max_tokens = 64
n = 2
verifier = { kind = "function", function = "lengths:brevity" }
"""
QUESTION = "Problem 3: which number do the steps lead to?"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(capsys, verifier: str, *options: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a run whose candidates a verifier judges."""
    Path("p.toml").write_text(PIPELINE.replace("VERIFIER", verifier))
    with pytest.raises(SystemExit) as ended:
        main(["run", "p.toml", QUESTION, *options])
    return int(ended.value.code or 0), *capsys.readouterr()


def test_a_run_whose_verifier_judged_nothing_says_so_last(capsys) -> None:
    code, out, err = ran(capsys, '{ kind = "python_code" }')
    assert (code, out.count("answer: ")) == (0, 1)
    assert re.fullmatch(r"python_code judged none of 4 candidates: .*\btests\b.*", err.splitlines()[-1])


def test_every_candidate_is_shown_with_its_scores(capsys) -> None:
    out = ran(capsys, '{ kind = "process_reward" }', "--all")[1]
    scores = [float(value) for value in re.findall(r"^process_reward=(\S+)$", out, re.MULTILINE)]
    assert len(scores) == 4 and scores == sorted(scores, reverse=True)
    assert "process_reward=" not in ran(capsys, '{ kind = "process_reward" }')[1]


def test_or_why_there_is_none(capsys) -> None:
    out = ran(capsys, '{ kind = "python_code" }', "--all")[1]
    assert len(re.findall(r"^python_code: cannot tell: .*\btests\b.*$", out, re.MULTILINE)) == 4


def test_the_command_finds_a_function_in_the_folder_it_stands_in() -> None:
    Path("lengths.py").write_text("def brevity(text, query):\n    return 1 / (1 + len(text))\n")
    Path("f.toml").write_text(PIPELINE.replace("VERIFIER", '{ kind = "function", function = "lengths:brevity" }'))
    command = [str(Path(sys.executable).with_name("ponder")), "run", "f.toml", QUESTION, "--all"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("brevity=0.0") == 4


@pytest.mark.timeout(120)
def test_so_do_the_workers_of_a_cluster() -> None:
    Path("lengths.py").write_text("def brevity(text, query):\n    return 1 / (1 + len(text))\n")
    Path("s.toml").write_text(SWEEP)
    command = [str(Path(sys.executable).with_name("ponder")), "sweep", "s.toml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 compositions" in done.stderr
    page = Path("runs/s.html").read_text()
    assert "best of 2" in page
    assert "could not be scored" not in page
