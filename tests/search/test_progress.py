"""The display of a sweep away from a terminal: plain lines, with the time left and what leads."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.types import Usage
from ponder.search.leaders import Leader
from ponder.search.progress import leading, show_progress, time_left
from ponder.search.reports.figures import spending
from ponder.search.reports.frontier import Estimate
from ponder.search.searching import Progress


@pytest.mark.parametrize(
    ("done", "elapsed_s", "said"),
    [
        (20, 9.0, ""),
        (30, 9.0, ", about 63 s for what is asked so far"),
        (60, 400.0, ", about 7 min for what is asked so far"),
        (30, 3600.0, ", about 7 h for what is asked so far"),
        (30, 86400.0, ", about 7 d for what is asked so far"),
        (100, 400.0, ""),
    ],
)
def test_the_time_left_follows_the_tasks_of_this_run(done, elapsed_s, said) -> None:
    assert time_left(Progress(tasks=100, done=done, replayed=20), elapsed_s) == said


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"calls": 9}, "0 of 9 calls"),
        ({"total_tokens": 5_000}, "1,200 of 5,000 tokens"),
        ({"cost_usd": 0.5}, "$0.0015 of $0.5"),
    ],
)
def test_what_is_spent_stands_beside_what_the_budget_allows(budget, said) -> None:
    paid = Usage(prompt_tokens=1_000, completion_tokens=200, nano_usd=1_500_000)
    assert spending(paid, Budget(**budget)) == said


def test_lines_away_from_a_terminal() -> None:
    screen = io.StringIO()
    now = Progress(compositions=7, tasks=3)
    with show_progress(Console(file=screen, width=40)) as observe:
        observe(now)
        observe(replace(now, done=1))
        observe(replace(now, phase="search", measured=2, done=3))
    lines = screen.getvalue().splitlines()
    assert lines[0] == "calibration: 0 of 3 tasks, 0 of 7 compositions, 0 tokens"
    assert lines[-1].startswith("search: 3 of 3 tasks, 2 of 7 compositions, 0 tokens")
    assert not any("1 of 3" in line for line in lines), "not a line for every task"


def test_what_leads_is_shown_with_its_interval() -> None:
    leader = Leader(100.0, "vote of 4", 90.0, Estimate(items=30, accuracy=0.5, low=0.3, high=0.7))
    screen = io.StringIO()
    Console(file=screen, width=100).print(leading(Progress(leaders=(leader,))))
    [row] = [line for line in screen.getvalue().splitlines() if "vote of 4" in line]
    assert row.split() == ["≤", "100", "vote", "of", "4", "90", "50.0", "[30.0–70.0]", "30"]
