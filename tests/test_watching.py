"""Workers shown side by side: on screens of any size, line by line elsewhere, and nothing that a terminal obeys."""

import io
import os
import pty
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console

import ponder
from ponder.cli import main
from ponder.orchestrator.budget import Budget
from ponder.orchestrator.run_state import Written
from ponder.orchestrator.types import Usage
from ponder.panes import Panes
from ponder.strategies.drawing import Drawing
from ponder.watching import show_workers

NAMES = ("Alice", "Bob", "Carol", "Dave", "Eve", "Fay", "Gil", "Hal")


def written(worker: int, text: str, kind: str = "drawn", tokens: int = 0, spent: int = 0) -> Written:
    return Written("root", worker, NAMES[worker], text, kind, tokens, Usage(completion_tokens=spent))


def picture(*events: Written, budget: Budget = Budget()) -> Panes:
    now = Panes(budget=budget)
    for event in events:
        now = now.after(event)
    return now


def drawn(now: Panes, width: int = 80, height: int = 24, **knobs) -> list[str]:
    """The lines of the picture on a screen of that size."""
    screen = io.StringIO()
    Console(file=screen, width=width, height=height, **knobs).print(now)
    return [line.rstrip() for line in screen.getvalue().rstrip("\n").split("\n")]


def test_a_picture_of_two_workers() -> None:
    now = picture(
        written(0, "**Alice [1]:** ", "said"),
        written(1, "**Bob [1]:** ", "said"),
        written(0, "I take a.", tokens=4),
        written(0, "\n\n", tokens=1),
        written(0, "", "committed"),
        written(0, "**Alice [2]:** ", "said"),
        written(1, "I take ", tokens=2, spent=1_200),
        written(1, "eos", "left", spent=1_200),
        written(0, "forty-\ntwo", "answer", spent=1_200),
        budget=Budget(total_tokens=5_000, seconds=9),
    )
    assert drawn(now, width=60) == [
        "╭────────── Alice ───────────╮╭─────────── Bob ────────────╮",
        "│ **Alice [1]:** I take a. ✓ ││ **Bob [1]:** I take        │",
        "│ **Alice [2]:**             ││ ended its text             │",
        "╰───── 5 tokens, step 2 ─────╯╰───── 2 tokens, ended ──────╯",
        "answer: forty-",
        "two",
        "1,200 of 5,000 tokens",
    ]


def test_what_was_put_in_is_dim_and_a_finished_step_is_marked() -> None:
    now = picture(written(0, "cue", "said"), written(0, "own\n"), written(0, "", "committed"))
    shown = "\n".join(drawn(now, force_terminal=True, color_system="standard"))
    assert "\x1b[2mcue\x1b[0mown\x1b[32m ✓\x1b[0m" in shown


def test_the_end_of_a_long_text_is_shown() -> None:
    words = " ".join(map(str, range(5_000)))
    tail = drawn(picture(written(0, words)), width=40, height=10)
    assert tail[-3].strip("│ ").endswith("4999")
    grown = drawn(picture(written(0, words), written(0, " more")), width=40, height=10)
    assert grown[1:5] == tail[1:5], "lines break where they did"


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(("width", "height"), [(20, 6), (29, 12), (60, 10), (79, 24), (200, 60)])
def test_any_number_of_workers_fits_any_screen(workers: int, width: int, height: int) -> None:
    events = [written(w, "一二三 some words that are long enough to break " * 9, tokens=7) for w in range(workers)]
    console = Console(file=io.StringIO(), width=width, height=height)
    everything = Budget(total_tokens=9_000_000, calls=1_000, cost_usd=1.0, seconds=60)
    lines = console.render_lines(picture(*events, budget=everything), pad=False)
    assert len(lines) < height
    assert max(sum(segment.cell_length for segment in line) for line in lines) <= width


def test_panes_wrap_into_rows_where_the_screen_is_narrow() -> None:
    events = [written(w, f"word{w}") for w in range(5)]
    assert [line.count("╭") for line in drawn(picture(*events), width=100)].count(3) == 1
    assert [line.count("╭") for line in drawn(picture(*events), width=59, height=40)].count(1) == 5


def test_where_the_screen_is_low_each_worker_has_a_line() -> None:
    events = [written(w, f"first\nlast{w}", tokens=3) for w in range(5)]
    low = drawn(picture(*events), width=40, height=7)
    assert low[0] == "Alice (3 tokens, writing): last0"
    assert drawn(picture(*events), width=40, height=5)[2] == "and 3 more"
    over = drawn(picture(*events, written(0, "total_length", "left")), width=60, height=7)
    assert over[0] == "Alice (3 tokens, wrote all that it may): last0"


def test_hostile_text_stays_text() -> None:
    text = "[red]a[/red] [link=http://x]\x1b[2J\x1b]0;title\x07\u202eb\u200b\r\x9b31m\ttab\x00"
    shown = drawn(picture(Written("root", 0, "[b]\x1b[31mEve", text, "drawn")), force_terminal=True, color_system=None)
    assert "[b][31mEve" in shown[0]
    assert "[red]a[/red] [link=http://x][2J]0;titleb 31m tab" in shown[1]
    assert "\x1b" not in "".join(shown)


def test_whoever_wrote_to_the_end_has_ended() -> None:
    now = picture(written(0, "a"), written(1, "b"), written(1, "enough", "left"))
    assert [one.standing for one in now.writers.values()] == ["writing", "ended"]
    assert [one.standing for one in now.ended().writers.values()] == ["ended", "ended"]


def test_workers_of_two_nodes_have_a_pane_each() -> None:
    now = picture(Written("root.a", 0, "Alice", "x", "drawn"), Written("root.b", 0, "Alice", "y", "drawn"))
    assert drawn(now)[0].count("Alice") == 2
    assert "a: Alice" in drawn(now)[0] and "b: Alice" in drawn(now)[0]
    for path, text in (("root.a", "7"), ("root.b", "")):
        now = now.after(Written(path, -1, "", text, "answer"))
    assert drawn(now)[-3:-1] == ["answer of a: 7", "answer of b: none"]


def test_elsewhere_each_line_is_told_once_it_is_whole() -> None:
    screen = io.StringIO()
    with show_workers(Console(file=screen, width=30)) as on_written:
        on_written(written(0, "Alice: ", "said"))
        on_written(written(0, "37+52"))
        on_written(written(1, "8*7=56\nb="))
        assert screen.getvalue() == "Bob: 8*7=56\n"
        on_written(written(0, "=[89]\n\n", "drawn"))
        on_written(written(0, "", "committed"))
        on_written(written(1, "56"))
        on_written(written(1, "repetition", "left"))
        on_written(written(2, "\x1b[2Jhad enough", "left"))
        on_written(written(0, "the next line is longer than the screen"))
        on_written(written(0, "8956", "answer"))
    assert screen.getvalue().splitlines() == [
        "Bob: 8*7=56",
        "Alice: Alice: 37+52=[89]",
        "Bob: b=56",
        "Bob repeated itself",
        "Carol [2Jhad enough",
        "Alice: the next line is longer than the screen",
        "answer: 8956",
    ]


def test_elsewhere_the_workers_of_a_second_node_are_told_with_its_name() -> None:
    screen = io.StringIO()
    with show_workers(Console(file=screen, width=80)) as on_written:
        for path, text in (("0.quick", "1"), ("0.careful", "")):
            on_written(Written(path, 0, "Alice", "word\n", "drawn"))
            on_written(Written(path, -1, "", text, "answer"))
    told = ["Alice: word", "answer: 1", "careful: Alice: word", "answer of careful: none"]
    assert screen.getvalue().splitlines() == told


def test_nothing_appears_where_nobody_writes() -> None:
    screen = io.StringIO()
    with show_workers(Console(file=screen, force_terminal=True)):
        pass
    assert screen.getvalue() == ""


def test_the_last_picture_stays_and_the_cursor_comes_back_when_a_run_is_broken_off() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=40, height=12)
    with pytest.raises(KeyboardInterrupt), show_workers(console) as on_written:
        on_written(written(0, "unfinished"))
        raise KeyboardInterrupt
    shown = screen.getvalue()
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    last = shown.rpartition("\x1b[2K")[2]
    assert "unfinished" in last
    assert " broken off " in last


class Chorus(Drawing):
    """Draws `n` candidates, and tells of each as a worker."""

    kind: Literal["chorus"] = "chorus"

    def infer(self, shape, plan):
        return self.draws(shape, plan)

    async def run(self, query, candidates, ctx):
        drawn = await ctx.sample(query, self.n, self.sampling)
        for i, candidate in enumerate(drawn):
            ctx.show(i, NAMES[i], candidate.text, "drawn", tokens=candidate.generated_tokens)
        ctx.show(0, "", drawn[0].text, "answer")
        return drawn


async def test_a_run_tells_what_its_workers_write_and_what_was_spent(tmp_path) -> None:
    engines, told, again = {"generator": ponder.SimulatedSpec()}, [], []
    asked = (Chorus(n=2, max_tokens=64), "Problem 3?")
    result = await ponder.arun(*asked, engines=engines, journal=tmp_path / "j.db", on_written=told.append)
    assert [(one.worker, one.text, one.kind, one.tokens) for one in told] == [
        *((i, c.text, "drawn", c.generated_tokens) for i, c in enumerate(result.candidates)),
        (0, result.text, "answer", 0),
    ]
    assert {one.spent for one in told} == {result.usage}
    await ponder.arun(*asked, engines=engines, journal=tmp_path / "j.db", on_written=again.append)
    assert again == told
    async with ponder.Runtime(engines) as runtime:
        unwatched = await runtime.run(asked[0], ponder.Query.ask(asked[1]))
        watched = await runtime.run(asked[0], ponder.Query.ask(asked[1]), on_written=again.append)
    assert (watched, again[len(told) :]) == (unwatched, told)


def test_a_watcher_stands_around_any_run_in_python(capsys) -> None:
    with ponder.show_workers() as on_written:
        ponder.run(
            Chorus(max_tokens=64), "Problem 3?", engines={"generator": ponder.SimulatedSpec()}, on_written=on_written
        )
    assert "answer: " in capsys.readouterr().err


WORKERS = """
[[stages]]
kind = "hogwild"
max_tokens = 60
chunk = 8
[engines.generator]
kind = "simulated"
latency_s = 0.05
"""
ASKED = ("run", "h.toml", "Problem 3: which number do the steps lead to?")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h.toml").write_text(WORKERS)
    return tmp_path


def ponder_run(capsys, *arguments: str) -> tuple[str, str]:
    """What the command writes on stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        main([*ASKED, *arguments])
    assert not ended.value.code
    return capsys.readouterr()


def test_the_command_line_shows_workers_where_it_is_asked_to(folder, capsys) -> None:
    answer, told = ponder_run(capsys)
    assert "Bob: " not in told
    shown = ponder_run(capsys, "--watch")
    assert shown[0] == answer
    lines = shown[1].splitlines()
    assert [line for line in lines if line.startswith("Alice: step 2")] == ["Alice: step 2: d"]
    assert "Bob ended its text" in lines
    assert shown[1].endswith(told)


def test_on_a_terminal_workers_are_shown_until_the_run_is_broken_off(folder) -> None:
    (folder / "h.toml").write_text(WORKERS.replace("0.05", "30"))
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background shell has it ignored
        os.execv(sys.executable, [sys.executable, "-m", "ponder", *ASKED])
    screen = b""
    while b"Alice" not in screen:
        screen += os.read(terminal, 1 << 16)
    os.kill(pid, signal.SIGINT)
    with suppress(OSError):
        while part := os.read(terminal, 1 << 16):
            screen += part
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    assert screen.rindex(b"\x1b[?25h") > screen.rindex(b"\x1b[?25l")
