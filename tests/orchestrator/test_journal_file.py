"""What is no journal is refused, nobody writes beside another, and a full disk loses nothing."""

import asyncio
import os
import resource
import sqlite3
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from forked_child import in_child

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import simulated_dataset
from ponder.orchestrator.errors import JournalError
from ponder.orchestrator.journal import Journal
from ponder.orchestrator.journal_file import JournalFile, ReadOnlyJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sub" / "run.journal"


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")


def newer(path: Path) -> None:
    JournalFile(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")


def no_database(path: Path) -> None:
    path.write_bytes(b"not a database at all, " * 100)


def cut_short(path: Path) -> None:
    JournalFile(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    path.write_bytes(path.read_bytes()[:5000])


def scrambled(path: Path) -> None:
    file = JournalFile(path)
    run = file.open_run("run", {})
    asyncio.run(file.append([("results", (run, str(i), bytes(500))) for i in range(200)]))
    file.close()
    data = bytearray(path.read_bytes())
    for page in range(8, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)


@pytest.mark.parametrize("open_it", [JournalFile, ReadOnlyJournal])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (foreign, "another program's database; name another file"),
        (newer, "version 1, got 99; use the ponder that wrote it"),
        (no_database, "file is not a database; restore a copy or name another file"),
        (cut_short, "restore a copy or name another file"),
        (scrambled, "restore a copy or name another file"),
        (Path.mkdir, "(unable to open|must be a file)"),
    ],
)
def test_what_is_no_journal_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], message: str, open_it: Callable[[Path], object]
) -> None:
    path = tmp_path / "file"
    damage(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(JournalError, match=message) as caught:
        open_it(path)
    assert str(path) in str(caught.value)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_an_empty_file_becomes_a_journal_unless_it_is_only_read(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(JournalError, match="must be a ponder journal"):
        ReadOnlyJournal(path)
    JournalFile(path).close()
    ReadOnlyJournal(path).close()
    with pytest.raises(JournalError, match="must be a file, but"):
        ReadOnlyJournal(path.parent / "missing")


def test_a_second_writer_is_refused(path: Path) -> None:
    def other() -> None:
        with pytest.raises(JournalError, match="another process is writing it; wait or name another file"):
            JournalFile(path)

    file = JournalFile(path)
    assert in_child(other) == 0
    file.close()
    assert in_child(lambda: JournalFile(path).close()) == 0


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    def as_nobody() -> None:
        if os.getuid() == 0:
            os.setresuid(65534, 65534, 65534)
        for name in ("file", "deeper/file"):
            with pytest.raises(JournalError, match=r"must be in a writable folder, but: .*name another file"):
                JournalFile(tmp_path / "closed" / name)

    (tmp_path / "closed").mkdir(mode=0o555)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.getuid() and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    assert in_child(as_nobody) == 0


async def sweep(file: JournalFile, served: list[bytes] | None = None) -> list[str]:
    """A few queries with sixteen draws each, through the context."""
    engine = SimulatedSpec(latency_s=0.0005).open()
    journal = Journal(file, file.open_run("sweep", {}))
    texts: list[str] = []
    for query in simulated_dataset(8):
        run = Run(query.id, {"generator": engine}, {"generator": nullcontext()}, *(Ledger(Budget()),) * 2, journal)
        drawn = await Context(run, "test").sample(query, 16, Sampling())
        texts += [candidate.text for candidate in drawn]
    return texts


def test_a_full_disk_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    whole = JournalFile(tmp_path / "whole")
    expected = asyncio.run(sweep(whole))
    wanted = whole.spent(1).settled
    whole.close()

    def on_a_small_disk() -> None:
        file = JournalFile(tmp_path / "file")
        resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, resource.RLIM_INFINITY))
        with pytest.raises(JournalError, match=r"must be writable, but: .*; everything recorded before stands; free"):
            asyncio.run(sweep(file))
        with pytest.raises(JournalError, match="everything recorded before stands"):
            asyncio.run(file.append([("results", (1, "x", b""))]))
        file.close()

    assert in_child(on_a_small_disk) == 0
    before = ReadOnlyJournal(tmp_path / "file")
    paid = before.spent("sweep")
    before.close()
    assert 0 < paid.settled.calls < wanted.calls
    file = JournalFile(tmp_path / "file")
    assert asyncio.run(sweep(file)) == expected
    after = file.spent(1)
    file.close()
    assert after.settled == wanted
    assert after.at_risk == paid.at_risk
