"""Plug-ins of other packages that do not work are named, and harm nothing else."""

import importlib
from pathlib import Path

import pytest

from ponder.cli import main
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.run import run
from ponder.strategies import BestOfN
from ponder.verifiers import VERIFIERS

FLOATS = """
from typing import Literal
from ponder.verifiers import Verifier

class Floats(Verifier):
    kind: Literal["floats"] = "floats"
    is_kept: bool = False

    @property
    def is_recorded(self):
        return self.is_kept

    async def score(self, query, candidates, ctx):
        return [0.5] * len(candidates)
"""


@pytest.fixture(autouse=True)
def package(tmp_path, monkeypatch) -> Path:
    """An installed package with three verifiers: one cannot be imported, one is no class, and one gives floats."""
    info = tmp_path / "shaky-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shaky\nVersion: 1.0\n")
    entries = "broken = shaky_broken:Broken\nnumber = shaky_floats:FLOAT\nfloats = shaky_floats:Floats\n"
    (info / "entry_points.txt").write_text(f"[ponder.verifiers]\n{entries}")
    (tmp_path / "shaky_broken.py").write_text("import no_such_module\n")
    (tmp_path / "shaky_floats.py").write_text(FLOATS + "\nFLOAT = 0.5\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return tmp_path


@pytest.mark.parametrize(("kind", "problem"), [("broken", "No module named 'no_such_module'"), ("number", "no class")])
def test_one_that_cannot_be_imported_is_named_with_its_package(kind, problem) -> None:
    with pytest.raises(UsageError, match=rf"verifier '{kind}' must be a class .* in package 'shaky' .*{problem}"):
        VERIFIERS.build({"kind": kind})


def test_it_is_listed_with_its_problem(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ended:
        main(["list"])
    told = " ".join(capsys.readouterr().out.split())
    assert not ended.value.code
    assert "No module named 'no_such_module'" in told and " exact_match " in told


@pytest.mark.parametrize("is_kept", [False, True])
def test_one_that_gives_floats_judges_nothing_and_says_why(is_kept: bool) -> None:
    verifier = VERIFIERS.build({"kind": "floats", "is_kept": is_kept})
    result = run(BestOfN(n=2, verifier=verifier), "Problem 3?", engines={"generator": SimulatedSpec()})
    assert result.text and result.failures
    for candidate in result.candidates:
        assert candidate.scores["floats"].value is None
        assert "floats must give scores, got 0.5" in candidate.scores["floats"].detail
