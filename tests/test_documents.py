"""Every command and example in the README and the guides does what it says."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ponder.cli import serve as commanded
from ponder.orchestrator.pipeline_file import load, read_toml
from ponder.orchestrator.server.keys import Keys
from ponder.orchestrator.server.serve import serve as served
from ponder.search.spaces.space import Space
from ponder.search.sweep import Sweep
from ponder.strategies import STRATEGIES
from ponder.verifiers import VERIFIERS

pytestmark = pytest.mark.long
ROOT = Path(__file__).parent.parent
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS = [*GUIDES, *sorted((ROOT / "docs" / "strategies").glob("*.md"))]
ON_A_CLUSTER = ROOT / "docs" / "deploy.md"
"""Its examples are run where a cluster stands already, and what they deploy is tried further."""
LINKED = [*DOCUMENTS, *sorted((ROOT / "docs" / "verifiers").glob("*.md"))]
"""The examples on the pages of verifiers are run beside what writes the pages."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INSTALL = re.compile(r"`(?:uv )?pip (install [^`]+)`")
LINK = re.compile(r"\]\(([^)#:]+)\)")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it: the experiments at hand, and a sweep that was run."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "experiments").symlink_to(ROOT / "experiments")
    ponder(folder, "sweep experiments/simulated_sweep.toml --local")
    return folder


def ponder(folder: Path, arguments: str) -> str:
    command = [sys.executable, "-m", "ponder", *shlex.split(arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serving(folder: Path, arguments: str, port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "ponder", *shlex.split(arguments)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/health", server)
            yield
        finally:
            server.terminate()


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check_toml(folder: Path, code: str) -> None:
    name = code.partition("\n")[0].removeprefix("# ").strip()
    assert name.endswith(".toml"), "a TOML example begins with its file's name"
    (folder / name).write_text(code)
    if name == "pyproject.toml":
        assert set(read_toml(folder / name)["project"]["entry-points"]) <= {STRATEGIES.group, VERIFIERS.group}
    elif "keys" in read_toml(folder / name):
        assert [key.name for key in Keys.load(folder / name, {})]
    elif "data" in read_toml(folder / name):
        assert Sweep.load(folder / name).space.size
    elif "options" in read_toml(folder / name):
        assert Space.load(folder / name).size
    else:
        assert load(folder / name).nodes


def run_python(folder: Path, code: str) -> None:
    if code.startswith("# file: "):
        (folder / code.partition("\n")[0].removeprefix("# file: ")).write_text(code)
    environment = {**os.environ, "PYTHONWARNINGS": "error::SyntaxWarning"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr


def run_line(line: str, folder: Path, port: int, running: ExitStack) -> None:
    command = line.split("#")[0].strip()
    if command.startswith("make "):
        subprocess.run(["make", "-n", *shlex.split(command)[1:]], cwd=ROOT, check=True, capture_output=True)
    elif command.startswith("ponder serve "):
        running.enter_context(serving(folder, command.removeprefix("ponder "), port))
    elif command.startswith("pytest "):
        arguments = shlex.split(command)[1:]
        done = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    else:
        assert command.startswith("ponder "), f"no test runs {command!r}"
        ponder(folder, command.removeprefix("ponder "))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("document", [each for each in DOCUMENTS if each != ON_A_CLUSTER], ids=lambda path: path.name)
def test_examples(document: Path, workdir: Path) -> None:
    port = free_port()
    with ExitStack() as running:
        for language, code in BLOCK.findall(document.read_text()):
            code = code.replace("8000", str(port))
            if language == "toml":
                check_toml(workdir, code)
            elif language == "python":
                run_python(workdir, code)
            else:
                assert language == "bash", f"no test reads {language}"
                for line in filter(None, map(str.strip, code.splitlines())):
                    run_line(line, workdir, port, running)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_install_lines_name_extras_that_exist(document: Path) -> None:
    project = read_toml(ROOT / "pyproject.toml")["project"]
    for line in INSTALL.findall(document.read_text()):
        for word in (word for word in shlex.split(line)[1:] if not word.startswith("-")):
            name, extras = re.fullmatch(r"([\w.-]+)(?:\[([\w,-]+)\])?", word).groups()
            assert name in (".", project["name"]), f"{line!r} installs something else"
            assert {*filter(None, (extras or "").split(","))} <= {*project["optional-dependencies"]}


def test_the_readme_installs_from_the_folder() -> None:
    assert len(INSTALL.findall((ROOT / "README.md").read_text())) == 2


def test_clean_keeps_the_journals() -> None:
    done = subprocess.run(["make", "-n", "clean"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "runs" not in done.stdout.split()


def test_one_port_is_the_default() -> None:
    defaults = [inspect.signature(door).parameters["port"].default for door in (served, commanded)]
    assert defaults == [8000, 8000]


@pytest.mark.parametrize("document", LINKED, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = LINK.findall(document.read_text())
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing
