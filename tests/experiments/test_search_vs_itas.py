"""The study of our search and Archon's: that it runs, goes on where it was, and judges what came."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import search_vs_itas
from search_study import plan, report
from search_study.cells import Table
from search_study.goals import Goal, goals, saving
from search_study.plan import BUDGETS, FULL, ITAS, OURS, OWN, QUICK, TUNED_BO, UNLIMITED, Cell

from ponder.orchestrator.intervals import Interval

ROOT = Path(__file__).resolve().parents[2]
STUDY = replace(FULL, worlds=(101, 102), levels=(20, 30), seeds=8, more_seeds=0, special_seeds=8)
COVERED = Interval(0.95, 0.94, 0.96)
GOOD = {"regret": 1.0, "optimism": 1.0, "error": 0.1, "covers": True, "query_calls": 2, "tied_calls": 2}


def records(ours: float = 1.0, **changed):
    """What a study would keep where ITAS makes 1,000 calls, tuned BO 500, and ours has a regret of its own."""
    found = []
    for cell, seeds in STUDY.cells():
        methods = [(method, OWN, UNLIMITED) for method in plan.BASELINES]
        for budget, (baseline, share) in BUDGETS.items():
            allowed = (1000 if baseline == ITAS else 500) // share
            methods += [(OURS, budget, allowed), (plan.RANDOM_CACHED, budget, allowed)]
        for method, budget, allowed in methods:
            calls = {ITAS: 1000, TUNED_BO: 500}.get(method, allowed if budget != OWN else 900)
            if cell.kind == plan.TIED and method == OURS:
                calls //= 4
            regret = {"regret": ours} | changed if method == OURS else {}
            for seed in range(seeds):
                head = {"cell": asdict(cell), "method": method, "budget": budget, "allowed": allowed, "seed": seed}
                noise = {"calls": calls, "seconds": 1.0, "composition": [1, 1, 0, 0, 0, 0], "reason": ""}
                found.append(head | noise | GOOD | regret)
    return found


def judged(**changed) -> list[bool]:
    return [goal.is_met for goal in goals(Table(records(**changed)), STUDY, COVERED)]


def test_each_goal_is_missed_where_what_it_asks_for_does_not_hold() -> None:
    assert all(judged())
    assert judged(ours=1.5)[:4] == [False, False, False, True]
    assert judged(ours=2.6)[3] is False
    assert judged(error=0.6)[4] is False and judged(error=-0.6)[4] is False
    assert [goal.is_met for goal in goals(Table(records()), STUDY, Interval(0.98, 0.97, 0.99))][5] is False
    assert judged(ours=2.0)[6] is False
    assert judged(query_calls=3)[7:9] == [False, True]
    assert judged(calls=150)[8] is False
    assert judged(query_calls=60)[9] is False and judged(calls=10**10)[9] is False


def test_what_is_saved_is_the_most_at_which_the_regret_is_no_worse() -> None:
    cell = Cell(plan.ARCHON, 101, 20, 100)
    assert saving(Table(records()), cell) == 20
    assert saving(Table(records(ours=1.01)), cell) == 0
    mixed = [
        record | {"regret": 2.0} if record["method"] == OURS and record["budget"] == "ITAS / 20" else record
        for record in records()
    ]
    assert saving(Table(mixed), cell) == 10


def test_a_small_study_runs_goes_on_where_it_was_and_tells_all(tmp_path: Path, capsys) -> None:
    options = ["--quick", "--workers", "1", "--scratch", str(tmp_path / "kept"), "--results", str(tmp_path / "told")]
    assert search_vs_itas.main(options) in (0, 1)
    first, page = (tmp_path / "told.json").read_text(), (tmp_path / "told.md").read_text()
    kept = tmp_path / "kept" / "trials.jsonl"
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join(lines[:-3]) + "\n" + lines[-1][:40])
    search_vs_itas.main(options)
    again = json.loads((tmp_path / "told.json").read_text())
    assert len(kept.read_text().splitlines()) == len(lines) + 1
    for one, other in zip(json.loads(first)["runs"], again["runs"], strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}
    methods = {run["method"] for run in again["runs"]}
    assert methods == {*plan.BASELINES, OURS, plan.RANDOM_CACHED}
    for goal in again["goals"]:
        assert goal["wanted"] in page and goal["found"] in page
    assert all(run["regret"] and min(run["regret"]) >= 0 for run in again["runs"])
    assert capsys.readouterr().out.count("\n") == 2 * len(again["goals"])
    assert QUICK.worlds[0] in FULL.worlds


def test_the_page_says_missed_where_a_goal_is() -> None:
    page = report.written(Table(records()), [Goal("this", "that", False)], STUDY, 0.2)
    assert "| this | that | MISS |" in page and "| ITAS | 1,000 | 1.00 [" in page
