"""What the command line says of verifiers: whether they judged, what they gave, and where it finds their functions."""

import re
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
