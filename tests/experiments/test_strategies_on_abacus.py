"""The study of strategies goes through from the first draw to the report, and what it computes from pools is exact."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from strategy_study.ladders import LADDERS, LEFT_OUT
from strategy_study.outcomes import PoolCost

from ponder.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parents[2]
TOLD = {"rebase", "adaptive_sampling", "early_pruning"}


def run(folder: Path) -> str:
    script = ROOT / "experiments" / "strategies_on_abacus.py"
    command = [sys.executable, str(script), "--quick", "--runs", str(folder), "--only", *sorted(TOLD)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_goes_through_and_resumes(tmp_path: Path) -> None:
    assert "8 cells, 8 to compute" in run(tmp_path)
    numbers = json.loads((tmp_path / "quick" / "strategies_on_abacus.json").read_text())
    assert {point["strategy"] for point in numbers["points"]} >= {"sample", "weighted_best_of_n", *TOLD}
    assert all(point["accuracy"]["low"] <= point["accuracy"]["mean"] for point in numbers["points"])
    assert all(point["costs"]["flops"] > 0 for point in numbers["points"])
    assert {duel["verdict"] for duel in numbers["duels"]} <= {"beats", "ties", "loses"}
    assert set(numbers["wanted"]) == {"stepwise", "adaptive", "pruning"}
    report = (tmp_path / "quick" / "strategies_on_abacus.md").read_text()
    assert "| REBASE | 2 |" in report and "Hard problems (6-8 steps)" in report
    assert "8 cells, 0 to compute" in run(tmp_path)


def test_every_strategy_is_measured_or_said_not_to_be() -> None:
    names = {name for row in LEFT_OUT for name in row.split(", ")}
    measured = {LADDERS[name].build(LADDERS[name].sizes[0]).kind for name in LADDERS} | {"ensemble"}
    assert set(STRATEGIES.names()) - names - measured <= {"sample", "best_of_n", "self_consistency"}


@pytest.mark.parametrize("name", LADDERS)
def test_a_ladder_has_eight_rising_sizes(name: str) -> None:
    ladder = LADDERS[name]
    assert len(ladder.sizes) == 8 and list(ladder.sizes) == sorted(set(ladder.sizes))
    assert len({ladder.build(size).id for size in ladder.sizes}) == 8


def test_equal_texts_of_a_pool_are_judged_once() -> None:
    """Three draws of one text and one of another: any two hold both texts in half of the cases."""
    first, second = [None, 0.0, 0.5, 10, 100, 7, 1], [None, 0.0, 0.5, 20, 200, 11, 2]
    cost = PoolCost.of([first, first, first, second])
    assert cost.tokens == 12.5 and cost.drawing == 125
    assert cost.judgements(1) == 0 and cost.judging(1) == 0
    assert cost.judgements(2) == pytest.approx(1.5)
    assert cost.judging(2) == pytest.approx(7 * 1.0 + 11 * 0.5)
    assert cost.judging(4) == pytest.approx(7 + 11)
