"""What holds for root holds for an ordinary user: the same tests, run by another user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_host import HERE

from ponder.verifiers.sandbox.walls import bubblewrap, shown

pytestmark = pytest.mark.long
USER = 54321
TESTS = ("test_sandbox.py", "test_sandbox_attacks.py", "test_sandbox_session.py")
BECOME = f"""
import os, sys
os.setgroups([])
os.setresgid({USER}, {USER}, {USER})
os.setresuid({USER}, {USER}, {USER})
os.execv(sys.argv[1], sys.argv[1:])
"""
NEEDED = (Path(sys.base_prefix), Path(sys.prefix), HERE.parents[2])


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of the user's."""
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, USER, USER)
    yield folder
    shutil.rmtree(folder)


def opened_up() -> Iterator[str]:
    """Options of bubblewrap that show what the tests need where only root may go, and nothing else of those folders."""
    for path in NEEDED:
        closed = [folder for folder in (*reversed(path.parents), path) if not folder.stat().st_mode & 0o001]
        if closed:
            yield from ("--perms", "0755", "--tmpfs", str(closed[0]))
    for path in NEEDED:
        for part in [path] if path.stat().st_mode & 0o001 else path.iterdir():
            yield from shown(part)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become another user; as this one, all of it has just been run"
)
def test_an_ordinary_user_is_as_safe(home: Path) -> None:
    pytest_of_user = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--basetemp",
        str(home / "pytest"),
    ]
    done = subprocess.run(
        [
            *(bubblewrap(), "--dev-bind", "/", "/", *opened_up(), "--cap-add", "ALL", "--"),
            *(sys.executable, "-c", BECOME, *pytest_of_user, *(str(HERE / tests) for tests in TESTS)),
        ],
        cwd=HERE.parents[2],
        env={**os.environ, "HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
