"""Scripts as users of each library write them, against `ponder serve` on the abacus models."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from abacus_frontier import measured_frontier

from ponder.orchestrator.data.abacus import problems

SCRIPTS = Path(__file__).parent / "scripts"
KEY, POOR = "key-of-a-reader", "key-without-money"
KEYS = f"""
[[keys]]
name = "reader"
key = "{KEY}"

[[keys]]
name = "poor"
key = "{POOR}"
budget = {{ total_tokens = 5 }}
"""
QUESTIONS = 200
STEPS = (2, 3)
"""Of a question. Over four seeds the efforts were 16 and 8 points apart, where chance has a sigma of 3 and 2 points."""
NOWHERE = "http://127.0.0.1:9"
"""A proxy that is none: what leaves this machine fails."""

Environment = Mapping[str, str]

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader works: with questions that no model was trained on."""
    folder = tmp_path_factory.mktemp("reader")
    asked = (one for one, _ in zip(problems(STEPS, 0, "test"), range(QUESTIONS), strict=False))
    lines = (json.dumps({"input": one.prompt, "target": one.answer}) + "\n" for one in asked)
    (folder / "questions.jsonl").write_text("".join(lines))
    shutil.copy(SCRIPTS / "abacus.yaml", folder)
    return folder


@pytest.fixture(scope="module")
def environment(folder: Path) -> Iterator[Environment]:
    """What a client knows of a server: its address, a key and a model. Nothing but this machine can be reached."""
    measured_frontier("abacus").save(folder / "abacus.frontier.toml")
    (folder / "keys.toml").write_text(KEYS)
    arguments = ["abacus.frontier.toml", "--port", "0", "--key-file", "keys.toml", "--budget", "total_tokens=20k"]
    command = [sys.executable, "-m", "ponder", "serve", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = re.search(r"http\S+", server.stdout.readline())
            assert address is not None
            yield {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(folder),
                "OMP_NUM_THREADS": "1",
                "HF_HUB_OFFLINE": "1",
                "HTTP_PROXY": NOWHERE,
                "HTTPS_PROXY": NOWHERE,
                "NO_PROXY": "127.0.0.1",
                "OPENAI_BASE_URL": address[0],
                "OPENAI_API_KEY": KEY,
                "PONDER_BASE_URL": address[0],
                "PONDER_API_KEY": KEY,
                "MODEL": "abacus",
            }
        finally:
            server.terminate()
    assert server.returncode == 0


def ran(script: str, folder: Path, environment: Environment) -> str:
    """What a script printed."""
    command = ["sh" if script.endswith(".sh") else sys.executable, str(SCRIPTS / script)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_openai(folder: Path, environment: Environment) -> None:
    told = ran("openai_sync.py", folder, environment)
    assert told.startswith("models: abacus abacus-1 abacus-2 abacus-3\n")
    efforts = re.findall(r"^(\w+): (\S+) used (\d+) tokens, stop$", told, re.MULTILINE)
    assert [each[:2] for each in efforts] == [("low", "abacus-1"), ("medium", "abacus-2"), ("high", "abacus-3")]
    low, medium, high = (int(each[2]) for each in efforts)
    assert 3 * low < medium and 3 * medium < high
    assert re.search(r"^(\S+=\d+\n){3}#\d+\n", told, re.MULTILINE)
    within = re.search(r"^budget: abacus-2 used (\d+) of 400 tokens$", told, re.MULTILINE)
    assert within is not None and int(within[1]) <= 400
    assert "\nanswers: 0 1 2\n" in told
    assert re.search(r"^first step: \S+=\d+\Z", told.removesuffix("\n"), re.MULTILINE)


def test_openai_async(folder: Path, environment: Environment) -> None:
    assert ran("openai_async.py", folder, environment) == "7*6= #42\n80-2= #78\n5+5= #10\n"


def test_openai_streaming(folder: Path, environment: Environment) -> None:
    told = ran("openai_stream.py", folder, environment)
    usage = re.fullmatch(r"(?:\S+=\d+\n){3}#\d+\nfinished: stop\nusage: 11 (\d+) (\d+)\n", told)
    assert usage is not None and 11 + int(usage[1]) == int(usage[2])


def test_openai_errors(folder: Path, environment: Environment) -> None:
    assert ran("openai_errors.py", folder, environment).splitlines() == [
        "too small a budget: 402, param None, sent again 0 times",
        "too small a budget, streamed: 402, param None, sent again 0 times",
        "no such model: 404, param model, sent again 0 times",
        "no such effort: 400, param reasoning_effort, sent again 0 times",
        "a wrong type: 400, param temperature, sent again 0 times",
        "a wrong key: 401",
    ]


def test_a_key_that_cannot_pay(folder: Path, environment: Environment) -> None:
    with pytest.raises(AssertionError, match="APIStatusError: Error code: 402"):
        ran("openai_stream.py", folder, {**environment, "OPENAI_API_KEY": POOR})


def test_openai_responses(folder: Path, environment: Environment) -> None:
    told = ran("openai_responses.py", folder, environment)
    assert re.fullmatch(r"(\S+=\d+\n){3}#\d+\n\nusage: \d+ \d+ completed\n7\*6=\d+\n#\d+\nstreamed: completed\n", told)


def test_langchain(folder: Path, environment: Environment) -> None:
    told = ran("langchain_chat.py", folder, environment)
    assert re.fullmatch(r"invoked: #42 \d{3}\nstreamed: #78\nbatch: #10 #5\n", told)


def test_pydantic_ai(folder: Path, environment: Environment) -> None:
    told = ran("pydantic_ai_agent.py", folder, environment)
    assert re.fullmatch(r"run: #42 \d{3}\nstreamed: #78\n", told)


def test_lm_eval(folder: Path, environment: Environment) -> None:
    told = ran("lm_eval_abacus.sh", folder, environment)
    right = re.search(r"^\|abacus *\|.*\| *answer *\|.*\| *exact_match *\|[^|]*\| *(\d\.\d+) *\|", told, re.MULTILINE)
    assert right is not None and float(right[1]) > 0.6


def test_accuracy_rises_with_effort(folder: Path, environment: Environment) -> None:
    told = ran("inspect_abacus.py", folder, environment).splitlines()
    efforts = [line.split() for line in told]
    assert [each[:2] for each in efforts] == [[effort, "success"] for effort in ("low", "medium", "high")]
    low, medium, high = (float(each[2]) for each in efforts)
    assert low < medium < high
    assert [float(each[3]) for each in efforts] == sorted(float(each[3]) for each in efforts)
