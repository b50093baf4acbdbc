"""The display of a sweep away from a terminal: plain lines, each with the time left."""

import io

import pytest
from rich.console import Console

from ponder.search.progress import show_progress, time_left
from ponder.search.sweep import Progress


@pytest.mark.parametrize(
    ("done", "elapsed_s", "said"),
    [
        (20, 9.0, ""),
        (30, 9.0, ", about 63 s left"),
        (60, 400.0, ", about 7 min left"),
        (30, 3600.0, ", about 7 h left"),
        (30, 86400.0, ", about 7 d left"),
        (100, 400.0, ""),
    ],
)
def test_the_time_left_follows_the_tasks_of_this_run(done, elapsed_s, said) -> None:
    assert time_left(Progress(tasks=100, done=done, replayed=20), elapsed_s) == said


def test_lines_away_from_a_terminal() -> None:
    screen = io.StringIO()
    with show_progress(Console(file=screen, width=40)) as observe:
        observe(Progress(tasks=3))
        observe(Progress(tasks=3, done=1))
        observe(Progress(tasks=3, done=3))
    assert screen.getvalue() == "0 of 3 tasks, 0 tokens\n3 of 3 tasks, 0 tokens\n"
