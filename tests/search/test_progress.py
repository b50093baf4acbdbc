"""The display of a sweep: a live table of what leads on a terminal, plain lines with the time left elsewhere."""

import io

import pytest
from rich.console import Console

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.types import Usage
from ponder.search.frontier import Estimate
from ponder.search.leaders import Leader
from ponder.search.progress import said, show_progress, time_left
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


def test_what_is_spent_is_told_of_what_may_be() -> None:
    paid = Usage(prompt_tokens=1000, completion_tokens=234, nano_usd=2_500_000)
    now = Progress(compositions=40, measured=7, paid=paid, budget=Budget(total_tokens=5000, cost_usd=0.5))
    assert said(now) == "7 of 40 compositions, 1,234 of 5,000 tokens, $0.0025 of $0.5"
    assert said(Progress(compositions=40, paid=paid, budget=Budget(calls=9))).endswith("1,234 tokens, $0.0025")


def test_lines_away_from_a_terminal() -> None:
    screen = io.StringIO()
    with show_progress(Console(file=screen, width=40)) as observe:
        now = Progress(tasks=3, compositions=2)
        observe(now)
        for now.done in (1, 2):
            observe(now)
        now.phase, now.done, now.measured = "search", 3, 1
        observe(now)
        now.tasks = now.done = 5
        observe(now)
    assert screen.getvalue().splitlines() == [
        "calibration: 0 of 3 tasks, 0 of 2 compositions, 0 tokens",
        "search: 3 of 3 tasks, 1 of 2 compositions, 0 tokens",
        "search: 5 of 5 tasks, 1 of 2 compositions, 0 tokens",
    ]


def test_nothing_is_said_where_nothing_is_done() -> None:
    screen = io.StringIO()
    with show_progress(Console(file=screen)):
        pass
    assert screen.getvalue() == ""


def test_what_leads_is_shown_with_its_interval_and_goes_at_the_end() -> None:
    screen = io.StringIO()
    leader = Leader(400.0, "vote of 4, T 0.7\x1b[31m", 381.0, Estimate(items=30, accuracy=0.5, low=0.33, high=0.67))
    with show_progress(Console(file=screen, width=110, force_terminal=True, color_system=None)) as observe:
        observe(Progress(phase="search", tasks=3, compositions=2, leaders=(leader,)))
    shown = screen.getvalue()
    assert "≤ 400   vote of 4, T 0.7[31m      381   50.0 [33.0–67.0]        30" in shown
    assert shown.endswith("\x1b[1A\x1b[2K")
