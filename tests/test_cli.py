"""The command line: every command; every bad input is one paragraph with a remedy, a failing exit, and nothing lost."""

import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from ponder.cli import main, parse_budget
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.types import Usage

PIPELINE = """
[[nodes]]
name = "vote"
strategy = { kind = "self_consistency", n = 4, max_tokens = 64 }
[engines.generator]
kind = "simulated"
"""
SWEEP = """
budget = { total_tokens = 20_000 }
where = "local"
data = { kind = "simulated", size = 5 }
checker = { kind = "exact_match" }
engines = { generator = { kind = "simulated" } }
[[space.options]]
kind = "self_consistency"
max_tokens = 64
n = { kind = "choice", values = [2, 4] }
"""
QUESTION = "Problem 3: which number do the steps lead to?"


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("p.toml").write_text(PIPELINE)
    Path("s.toml").write_text(SWEEP)
    return tmp_path


def ponder(capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command run in this process."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_a_cut_answer_is_said_to_be_cut(capsys) -> None:
    Path("short.toml").write_text(PIPELINE.replace("64", "20"))
    Path("whole.toml").write_text(PIPELINE)
    assert "cut at the most tokens it may have; raise max_tokens" in ponder(capsys, "run", "short.toml", QUESTION)[2]
    assert "cut at" not in ponder(capsys, "run", "whole.toml", QUESTION)[2]


def refused(capsys, *arguments: str) -> str:
    """The one paragraph that a command which cannot work writes."""
    code, _, err = ponder(capsys, *arguments)
    assert code == 1
    [paragraph] = [line for line in err.splitlines() if not re.match(r"\w+: \d+ of \d+ tasks", line)]
    assert paragraph.startswith("error: ")
    assert "Traceback" not in err
    return paragraph


def process(*arguments: str, **knobs) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ponder", *arguments], capture_output=True, text=True, timeout=60, **knobs
    )


# every command


def test_run_answers_a_question(capsys) -> None:
    code, out, err = ponder(capsys, "run", "p.toml", QUESTION)
    assert code == 0
    assert out.strip().splitlines()[-1].startswith("answer: ")
    assert re.match(r"done: \d+ prompt tokens, \d+ generated tokens, \d+ tokens, 4 calls, \d+M FLOPs\n", err)
    assert ponder(capsys, "run", "p.toml", QUESTION, "--seed", "0")[1] == out


def test_run_shows_every_candidate(capsys) -> None:
    assert ponder(capsys, "run", "p.toml", QUESTION, "--all")[1].count("answer: ") == 4


def test_run_reads_the_question_from_standard_input() -> None:
    piped = process("run", "p.toml", "-", input=QUESTION)
    assert piped.returncode == 0
    assert piped.stdout == process("run", "p.toml", QUESTION).stdout


def test_run_says_what_it_may_cost_and_makes_no_call(capsys) -> None:
    code, out, _ = ponder(capsys, "run", "p.toml", QUESTION, "--dry-run", "--journal", "j.db")
    assert code == 0
    assert "query -> vote: self_consistency n=4 max_tokens=64" in out
    assert re.search(r"calls +4 +4\n", out)
    assert out.endswith("\ncritical path, in calls for one query: at most 1\n")
    assert not Path("j.db").exists()


def test_run_keeps_to_its_budget_and_says_why_it_stopped(capsys) -> None:
    code, out, err = ponder(capsys, "run", "p.toml", QUESTION, "-b", "calls=2", "-b", "total_tokens=1k", "--all")
    assert (code, out.count("answer: ")) == (0, 2)
    assert err.startswith("budget: ")
    assert "calls: the next call may need 1, more than is left; raise the budget's calls" in err


def test_run_again_with_a_journal_pays_nothing(capsys) -> None:
    first = ponder(capsys, "run", "p.toml", QUESTION, "--journal", "j.db")
    assert ponder(capsys, "run", "p.toml", QUESTION, "--journal", "j.db") == first
    assert ponder(capsys, "run", "p.toml", "Problem 4?", "--journal", "j.db")[0] == 0


def test_what_a_model_wrote_cannot_command_the_terminal(capsys) -> None:
    Path("g.toml").write_text(PIPELINE + "faults = { garbage = 1.0 }\n")
    code, out, _ = ponder(capsys, "run", "g.toml", QUESTION)
    assert code == 0
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_run_without_an_answer_fails_and_says_why(capsys) -> None:
    Path("d.toml").write_text(PIPELINE + "faults = { refused = 1.0 }\n")
    code, out, err = ponder(capsys, "run", "d.toml", QUESTION)
    assert (code, out) == (1, "")
    assert "lower their refused rate" in err


def test_sweep_searches_reports_and_resumes_for_nothing(capsys) -> None:
    code, out, err = ponder(capsys, "sweep", "s.toml")
    assert code == 0
    assert "Levels" in out
    assert "confirmed on 2 queries that had no part in the choice" in " ".join(out.split())
    assert out.endswith("report: runs/s.html, and as a table runs/s.csv\nnext: ponder serve runs/s.frontier.toml\n")
    assert err.startswith("calibration: 0 of 3 tasks, 0 of 2 compositions, 0 of 20,000 tokens\n")
    assert re.match(r"confirmation: (\d+) of \1 tasks, 2 of 2 compositions, ", err.splitlines()[-1])
    assert {path.suffix for path in Path("runs").iterdir()} >= {".db", ".html", ".csv", ".toml"}
    page = Path("runs/s.html").read_bytes()
    again = ponder(capsys, "sweep", "s.toml", "--local")
    assert again == (0, out, "it was complete, and nothing was paid; a larger --budget goes on from here\n")
    assert Path("runs/s.html").read_bytes() == page
    shown = ponder(capsys, "report", "runs/s.db", "--html", "other.html")
    assert shown[0] == 0
    assert Path("other.html").read_bytes() == page


def test_report_shows_everything_when_asked(capsys) -> None:
    ponder(capsys, "sweep", "s.toml")
    assert "All compositions" not in ponder(capsys, "report", "runs/s.db")[1]
    assert "All compositions" in ponder(capsys, "report", "runs/s.db", "--full")[1]


def test_sweep_says_what_it_may_cost(capsys) -> None:
    Path("s.toml").write_text(
        SWEEP.replace("[2, 4]", "[2, 4, 0, 8]").replace("where", "per_query = { calls = 4 }\nwhere")
    )
    code, out, _ = ponder(capsys, "sweep", "s.toml", "--dry-run", "-b", "total_tokens=5k")
    assert code == 0
    lines = out.splitlines()
    assert lines[:2] == ["2 compositions; budget 5000 total_tokens", "3 queries to search on, 2 to confirm on"]
    assert lines[2] == "2 combinations of values are no composition that can be measured:"
    assert "  1: it may cost more than a query's limit (4 calls)" in lines
    assert any(line.startswith("  1: ") and "greater than or equal to 1" in line for line in lines)
    assert "critical path, in calls for one query: at most 1" in lines
    assert re.search(r"^calls +2 +4 +18 *$", out, re.MULTILINE)
    assert re.search(r"^total_tokens +232 +464 +2,088 +5,000 *$", out, re.MULTILINE)
    assert not Path("runs").exists()


def test_a_journal_without_a_suffix_keeps_its_outputs_apart(capsys) -> None:
    assert ponder(capsys, "sweep", "s.toml", "--journal", "mine-1.5")[0] == 0
    assert {"mine-1.5", "mine-1.5.html", "mine-1.5.csv", "mine-1.5.frontier.toml"} <= {p.name for p in Path().iterdir()}


def test_the_budget_of_a_sweep_can_be_raised(capsys) -> None:
    code, out, _ = ponder(capsys, "sweep", "s.toml", "-b", "total_tokens=1500")
    assert code == 0
    assert "not confirmed" in out
    code, out, err = ponder(capsys, "sweep", "s.toml")
    assert code == 0
    assert "not confirmed" not in out
    assert not err.splitlines()[-1].startswith("it was complete")


def test_list_names_every_kind(capsys) -> None:
    code, out, _ = ponder(capsys, "list")
    assert code == 0
    texts = ("best_of_n", "sample", "process_reward", "exact_match", "number", "openai", "simulated", "vllm")
    for kind in (*texts, "svdd", "class_logprob", "diffusion", "mixture", "clip_score"):
        assert re.search(rf"^[\w ]+ {kind} ", out, re.MULTILINE)


def test_doctor_names_what_is_there_and_what_adds_the_rest(capsys) -> None:
    code, out, _ = ponder(capsys, "doctor")
    assert code == 0
    for part in ("python", "ray", "vllm", "diffusers", "journal", "sandbox", "CPU cores"):
        assert re.search(rf"^{part} ", out, re.MULTILINE)


WITHOUT = """
import os, sys
sys.modules["ray"] = sys.modules["math_verify"] = sys.modules["gguf"] = None
if hasattr(os, "sched_getaffinity"):
    del os.sched_getaffinity
from ponder.cli import main
main(["doctor"])
"""


def test_doctor_gives_commands_that_can_be_pasted() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^ray +clusters +missing", done.stdout, re.MULTILINE)
    lines = done.stdout.splitlines()
    assert 'to add ray: pip install "ponder[ray]"' in lines
    assert 'to add math-verify: pip install "ponder[math]"' in lines
    assert "to add gguf: pip install gguf" in lines
    assert re.search(r"^CPU cores +engines on CPU +\d+ *$", done.stdout, re.MULTILINE)


def test_names_and_paths_are_no_markup(capsys) -> None:
    model = "meta[/b]"
    away = AWAY.replace('"m"', f'"{model}"').replace(",", "\n")
    Path("a[b]").mkdir()
    Path("a[b]/p[red].toml").write_text('name = "p[/b]"\n' + PIPELINE)
    Path("a[b]/away.toml").write_text(PIPELINE.replace('kind = "simulated"', away))
    assert "p[/b] (" in ponder(capsys, "run", "a[b]/p[red].toml", QUESTION, "--dry-run")[1]
    assert "must be reachable" in refused(capsys, "run", "a[b]/away.toml", "[/b]?")
    assert "at a[/b].toml, but" in refused(capsys, "serve", "a[/b].toml")
    code, out, _ = ponder(capsys, "sweep", "s.toml", "--journal", "a[b]/j[red].db", "--html", "[bold]r.html")
    assert code == 0
    assert "report: [bold]r.html, and as a table a[b]/j[red].csv\n" in out
    assert out.endswith("next: ponder serve 'a[b]/j[red].frontier.toml'\n")


def test_an_interruption_is_told_while_it_matters(capsys) -> None:
    ponder(capsys, "run", "p.toml", QUESTION, "--journal", "r.db", "-b", "calls=2")
    leave_in_flight("r.db")
    code, _, err = ponder(capsys, "run", "p.toml", QUESTION, "--journal", "r.db")
    assert code == 0
    assert "3 calls were in flight when an earlier run stopped" in err
    assert "in flight" not in ponder(capsys, "run", "p.toml", QUESTION, "--journal", "r.db")[2]
    ponder(capsys, "sweep", "s.toml", "--journal", "s.db", "-b", "total_tokens=900")
    leave_in_flight("s.db")
    assert "3 calls were in flight when" in ponder(capsys, "sweep", "s.toml", "--journal", "s.db")[2]
    for again in (("sweep", "s.toml", "--journal", "s.db"), ("report", "s.db")):
        err = ponder(capsys, *again)[2]
        assert "calls were in flight" not in err
        assert "paid beside the draws that stand: 30 tokens held for calls in flight\n" in err


def leave_in_flight(journal: str, calls: int = 3) -> None:
    """Open calls in the only run of a journal, as a kill leaves them: recorded before, never after."""
    with closing(sqlite3.connect(journal)) as connection, connection:
        [run] = connection.execute("SELECT id FROM runs").fetchone()
        bound = json.dumps(Usage(prompt_tokens=10, calls=1).as_dict())
        for number in range(calls):
            connection.execute("INSERT INTO intents VALUES (?, ?, ?, ?)", (b"t%d" % number, run, b"k", bound))


@pytest.mark.parametrize("command", ["", "run", "sweep", "report", "serve", "list", "doctor"])
def test_help(capsys, command) -> None:
    code, out, _ = ponder(capsys, *filter(None, [command, "--help"]))
    assert code == 0
    assert "Usage: " in out


def test_the_version_is_told(capsys) -> None:
    assert ponder(capsys, "--version")[:2] == (0, "ponder 0.1.0\n")


@pytest.mark.parametrize("option", ["--journal", "--html"])
@pytest.mark.parametrize("place", [".", ""])
def test_a_folder_is_no_file_to_write(capsys, option, place) -> None:
    code, _, err = ponder(capsys, "sweep", "s.toml", option, place)
    assert code == 2
    assert f"Invalid value for '{option}'" in err
    assert sorted(path.name for path in Path().iterdir()) == ["p.toml", "s.toml"]


def test_large_amounts_are_written_out(capsys) -> None:
    Path("big.toml").write_text(PIPELINE.replace("n = 4, max_tokens = 64", "n = 4096, max_tokens = 10_000"))
    out = ponder(capsys, "run", "big.toml", QUESTION, "--dry-run")[1]
    assert re.search(r"completion_tokens +4,096 +40,960,000\n", out)
    assert parse_budget(["total_tokens=20K"]) == parse_budget(["total_tokens=20k"])


def test_the_module_is_a_command() -> None:
    done = process("--help")
    assert done.returncode == 0
    assert "serve" in done.stdout
    wrong = process("runn")
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


# bad input


CYCLE = """
[[nodes]]
name = "a"
after = ["b"]
strategy = { kind = "vote" }
[[nodes]]
name = "b"
after = ["a"]
strategy = { kind = "vote" }
"""
CLOSED = "http://127.0.0.1:9/v1"
AWAY = f'kind = "openai", base_url = "{CLOSED}", model = "m"'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PIPELINE.replace("self_consistency", "self_consistensy"), "did you mean 'self_consistency'?"),
        (PIPELINE.replace("n = 4", "n = 0"), "greater than or equal to 1 (got 0), change it"),
        (PIPELINE.replace("n = 4", f"n = {10**9}"), "less than or equal to 4096 (got 1000000000)"),
        (PIPELINE.replace("n = 4", "temperature = nan"), "temperature: Input should be"),
        (PIPELINE.replace("n = 4", "colour = 4"), "(got 4), remove it or mend its name"),
        (PIPELINE.replace("[[nodes]]", "colour = 3\n[[nodes]]"), "colour: Extra inputs are not permitted"),
        (CYCLE, "bad.toml: node 'a': a pipeline must have no cycle, but has a -> b; remove one of these edges"),
        (PIPELINE.replace('"simulated"', '"simulatde"'), "did you mean 'simulated'?"),
        (PIPELINE.replace("[engines.generator]", "[engines.other]"), "add [engines.generator], or name another"),
        (PIPELINE.replace('"simulated"', '"vllm"\nmodel = "/no/such/model"'), "'/no/such/model', which is not there"),
        (PIPELINE.replace('"simulated"', '"vllm"'), "model: Field required, add it"),
        (PIPELINE.replace('kind = "simulated"', AWAY.replace(",", "\n")), f"{CLOSED} must be reachable"),
        (PIPELINE.replace("[[nodes]]", "[[nodes]"), "must be TOML, but: "),
        ("", "nodes: Field required, add it"),
        ("nodes = []", "a pipeline must have a node; add one under [[nodes]]"),
    ],
)  # fmt: skip
def test_a_pipeline_that_cannot_work(capsys, text, said) -> None:
    Path("bad.toml").write_text(text)
    assert said in refused(capsys, "run", "bad.toml", QUESTION, "--journal", "j.db")
    assert not Path("j.db").exists() or "127.0.0.1" in said or "no/such" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "p.toml", " \n"), "a question must hold text, got none; write it after the pipeline, or pipe it in"),
        (("run", "p.toml", QUESTION, "--seed", str(2**64)), "seed must fit in 64 bits, got 18446744073709551616"),
        (("run", "p.toml", QUESTION, "-b", "calls=2", "-b", "calls=3"), "must limit calls once, but it stands twice"),
        (("run", "s.toml", QUESTION), "s.toml must be a pipeline, but it is a sweep; run: ponder sweep s.toml"),
        (("run", "none.toml", "q"), "at none.toml, but: No such file or directory; check the path"),
        (("run", ".", "q"), "must be readable at ., but: Is a directory"),
        (("run", "p.toml", QUESTION, "-b", "total_tokens=10"), "total_tokens: may need 116, 10 left; raise"),
        (("run", "p.toml", QUESTION, "-b", "tokens=10"), "must limit one of prompt_tokens, completion_tokens"),
        (("run", "p.toml", QUESTION, "-b", "calls"), "must be NAME=AMOUNT such as total_tokens=20k"),
        (("run", "p.toml", QUESTION, "-b", "calls=many"), "got 'calls=many'"),
        (("run", "p.toml", QUESTION, "-b", "calls=nan"), "calls: Input should be a finite number (got nan)"),
        (("run", "p.toml", QUESTION, "-b", "calls=-1"), "calls: Input should be greater than or equal to 0 (got -1)"),
        (("run", "p.toml", QUESTION, "--journal", "/proc/no/j.db"), "must be in a writable folder"),
        (("report", "other.db"), "it holds: none; run a sweep with it first"),
        (("report", "none.db"), "the journal must be a file, but none.db is none; run a sweep"),
        (("report", "p.toml"), "but: file is not a database; restore a copy or name another file"),
        (("sweep", "none.toml"), "must be readable at none.toml"),
        (("sweep", "p.toml"), "the sweep in p.toml is not valid: data: Field required, add it"),
        (("sweep", "s.toml", "-b", "total_tokens=10"), "the cheapest composition, which takes 106 tokens"),
        (("sweep", "s.toml", "-b", "seconds=60"), "must limit what a search may spend, not its seconds alone, got "),
        (("serve", "none.toml"), "must be readable at none.toml"),
        (("serve", "p.toml", "--host", "0.0.0.0", "--port", "0"), "key"),
    ],
)  # fmt: skip
def test_a_command_that_cannot_work(capsys, arguments, said) -> None:
    JournalFile("other.db").close()
    assert said in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"exact_match"', '"exact_mtach"', "did you mean 'exact_match'?"),
        ("[2, 4]", "[0]", "n: Input should be greater than or equal to 1 (got 0), change it"),
        ("[[space.options]]", "[[space.options]]\nkind = 'sampl'\n[[space.options]]", "option 0 (sampl) has none: "),
        ("[2, 4]", f"[{10**9}]", "less than or equal to 4096"),
        ("[2, 4]", "[]", "domain 'choice' is not valid: values: Tuple should have at least 1 item"),
        ("[2, 4]", "[2, 2]", "the values of a choice must differ, got 2 twice; leave one of them out"),
        ('"choice", values = [2, 4]', '"chioce", values = [2, 4]', "n: "),
        ('"choice", values = [2, 4]', '"integers", low = 8, high = 2', "must have low <= high, got low 8 and high 2"),
        ('"choice", values = [2, 4]', '"same", name = "draws"', "must name a domain of the space (none), got 'draws'"),
        ('"self_consistency"', '"self_consistensy"', "did you mean 'self_consistency'?"),
        ("max_tokens = 64", "colour = 3", "colour: Extra inputs are not permitted"),
        ("max_tokens = 64", "temperature = nan", "must be made of text, finite numbers of 64 bits"),
        ("max_tokens = 64", 'engine = "large"', "its self_consistency asks 'large'; add [engines.large], or name"),
        ("[[space.options]]", "[[grids]]", "space: Field required, add it"),
        ("generator = {", "other = {", "(other), but its self_consistency asks 'generator'; add [engines.generator]"),
        ('size = 5', 'size = 1', "one to search on and one to confirm on, got 1; add more"),
        ('"simulated", size = 5', '"file", path = "none.jsonl"', "must be readable at none.jsonl"),
        ('"simulated", size = 5', '"file", path = "bare.jsonl"', "1 of 1 have none (first: '0'); name the field"),
        ('"simulated", size = 5', '"file", path = "broken.jsonl"', "broken.jsonl line 1 must be JSON"),
        ('"simulated", size = 5', '"file", path = "robot.jsonl"', "row 1 is not valid: messages.0.role"),
        ('"simulated", size = 5', '"file", path = "empty.jsonl"', "at least one query, got none"),
        ('"simulated", size = 5', '"fiel"', "data: "),
        ("where =", f"seed = {2**63}\nwhere =", "whose integers fit in 64 bits, but holds 9223372036854775808"),
        ("where =", "levels = [3, 2]\nwhere =", "levels must rise, got (3.0, 2.0); sort them, each once"),
        ("where =", "levels = [2, 3]\nwhere =", "the cheapest takes 106 tokens at least, got 3"),
        ("where =", "per_query = { calls = 1 }\nwhere =", "it may cost more than a query's limit (1 calls) (2)"),
        ("total_tokens = 20_000", "tokens = 5", "budget.tokens: Extra inputs are not permitted (got 5)"),
        ('kind = "simulated" }', f"{AWAY} }}", f"{CLOSED} must be reachable"),
    ],
)  # fmt: skip
def test_a_sweep_that_cannot_work(capsys, old, new, said) -> None:
    Path("bare.jsonl").write_text('{"prompt": "1+1?"}')
    Path("broken.jsonl").write_text("{")
    Path("robot.jsonl").write_text('{"prompt": [{"role": "robot", "content": "hi"}], "answer": 1}')
    Path("empty.jsonl").write_text("\n")
    assert old in SWEEP
    Path("bad.toml").write_text(SWEEP.replace(old, new))
    assert said in refused(capsys, "sweep", "bad.toml")
    assert said in refused(capsys, "sweep", "bad.toml", "--dry-run")


def test_a_changed_sweep_is_told_apart_from_the_recorded_one(capsys) -> None:
    ponder(capsys, "sweep", "s.toml")
    before = Path("runs/s.db").read_bytes()
    Path("s.toml").write_text(SWEEP.replace("size = 5", "size = 6"))
    assert "must be resumed as it was started, but data changed; give the changed run another name" in refused(
        capsys, "sweep", "s.toml"
    )
    assert Path("runs/s.db").read_bytes() == before


def test_a_sweep_that_was_refused_may_be_mended_under_its_name(capsys) -> None:
    Path("s.toml").write_text(SWEEP.replace("max_tokens = 64", 'engine = "large"'))
    refused(capsys, "sweep", "s.toml")
    Path("s.toml").write_text(SWEEP)
    assert ponder(capsys, "sweep", "s.toml")[0] == 0


def test_a_level_that_nothing_fits_is_told(capsys) -> None:
    Path("s.toml").write_text(SWEEP.replace("where", "levels = [20, 300]\nwhere"))
    code, out, _ = ponder(capsys, "sweep", "s.toml")
    assert code == 0
    assert "note: nothing that was measured costs so little: 20 tokens a query\n" in out


@pytest.mark.parametrize("where", [0, 40, 5000])
def test_a_corrupt_journal_is_refused_and_left_as_it_is(capsys, where) -> None:
    ponder(capsys, "sweep", "s.toml")
    data = bytearray(Path("runs/s.db").read_bytes())
    data[where : where + 3000] = b"\xa5" * 3000
    Path("runs/s.db").write_bytes(data)
    for arguments in (("sweep", "s.toml"), ("report", "runs/s.db")):
        assert re.search("restore a copy|name another file|use the ponder that wrote it", refused(capsys, *arguments))
        assert Path("runs/s.db").read_bytes() == data


def test_a_full_disk_loses_nothing_that_was_paid(capsys) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    Path("s.toml").write_text(SWEEP.replace("size = 5", "size = 60"))
    whole = ("sweep", "s.toml", "-b", "total_tokens=200k")
    full = process(*whole, "--journal", "f.db", preexec_fn=small)
    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    assert "everything recorded before stands; free some room" in full.stderr
    assert len([line for line in full.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert ponder(capsys, *whole, "--journal", "f.db")[0] == 0
    assert ponder(capsys, *whole, "--journal", "w.db")[0] == 0
    assert Path("f.html").read_bytes() == Path("w.html").read_bytes()


def test_a_report_that_cannot_be_written_loses_nothing(capsys) -> None:
    assert "stands in the journal; name another place with --html" in refused(
        capsys, "sweep", "s.toml", "--html", "/proc/x/r.html"
    )
    assert ponder(capsys, "report", "runs/s.db")[0] == 0


def test_an_interrupted_sweep_goes_on(capsys) -> None:
    slow = SWEEP.replace('{ kind = "simulated" }', '{ kind = "simulated", latency_s = 0.05, max_in_flight = 2 }')
    Path("s.toml").write_text(slow.replace("size = 5", "size = 12"))
    with subprocess.Popen(
        [sys.executable, "-m", "ponder", "sweep", "s.toml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a background shell has it ignored
    ) as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("calibration: 0 of 8 tasks")
        os.kill(running.pid, signal.SIGINT)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "stopped; what was recorded stands: run the same command again to go on"
    told = ponder(capsys, "report", "runs/s.db")
    assert (told[0], told[1].splitlines()[-1]) == (
        *(0, "next: the sweep has not ended; its command goes on where it stands"),
    )
    assert ponder(capsys, "sweep", "s.toml", "-b", "total_tokens=30k")[0] == 0


def test_results_of_a_run_are_plain_data(capsys) -> None:
    from ponder import run
    from ponder.orchestrator.pipeline_file import load

    result = run(load("p.toml"), QUESTION)
    assert json.loads(json.dumps(result.summary()))["stopped"] == "done"
