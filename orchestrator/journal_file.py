"""The journal's file: one SQLite database, one writer, intents before effects.

Every row is durable when its future resolves (write-ahead log, full sync). Rows that arrive while a commit is under
way go into the next one together, so thousands of draws share one sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from .errors import JournalError
from .types import Usage

APPLICATION_ID = 0x706F6E64
VERSION = 1
SCHEMA = """
CREATE TABLE runs (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, header TEXT NOT NULL);
CREATE TABLE intents (token BLOB PRIMARY KEY, run INTEGER NOT NULL, key BLOB NOT NULL,
                      bound TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE effects (key BLOB PRIMARY KEY, run INTEGER NOT NULL, token BLOB NOT NULL, value BLOB NOT NULL,
                      usage TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE charges (token BLOB PRIMARY KEY, run INTEGER NOT NULL, usage TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE steps (run INTEGER, place TEXT, strategy TEXT NOT NULL, digest BLOB NOT NULL,
                    PRIMARY KEY (run, place)) WITHOUT ROWID;
CREATE TABLE results (run INTEGER, task TEXT, value BLOB NOT NULL, PRIMARY KEY (run, task)) WITHOUT ROWID;
"""
INSERTS = {
    "intents": "INSERT INTO intents VALUES (?, ?, ?, ?)",
    "effects": "INSERT OR IGNORE INTO effects VALUES (?, ?, ?, ?, ?)",
    "charges": "INSERT OR IGNORE INTO charges VALUES (?, ?, ?)",
    "steps": "INSERT OR IGNORE INTO steps VALUES (?, ?, ?, ?)",
    "results": "INSERT OR REPLACE INTO results VALUES (?, ?, ?)",
}
PAID_TWICE = (
    "INSERT OR IGNORE INTO charges SELECT :token, :run, :usage"
    " WHERE NOT EXISTS (SELECT 1 FROM effects WHERE key = :key AND token = :token)"
)
Row = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has cost so far.

    Args:
        effects: what it paid for, each draw once.
        lost: calls that failed or were cancelled.
        at_risk: calls in flight when it was interrupted, charged in full.
        calls_at_risk: how many these are.
    """

    effects: Usage = Usage()
    lost: Usage = Usage()
    at_risk: Usage = Usage()
    calls_at_risk: int = 0

    @property
    def settled(self) -> Usage:
        return self.effects + self.lost

    @property
    def total(self) -> Usage:
        return self.settled + self.at_risk


class JournalFile:
    """An open journal.

    Args:
        path: the file; created where it is missing, with its folder.
        on_commit: called in the writer's thread just before and just after commit number `n` (from 1) with
            ``(n, "before" | "after")``; for fault injection and tracing.

    Raises:
        JournalError: the file is no journal, is damaged, or another process is writing it.
    """

    def __init__(self, path: str | Path, *, on_commit: Callable[[int, str], None] | None = None) -> None:
        self.path = Path(path)
        self._on_commit = on_commit
        self._lock = _lock(self.path)
        try:
            self._reader = _open(self.path)
            self._connection = _connect(self.path)
        except BaseException:
            self._lock.close()
            raise
        self._rows: queue.SimpleQueue[tuple[list[Row], Callable[[BaseException | None], None]] | None] = (
            queue.SimpleQueue()
        )
        self._failed: BaseException | None = None
        self._is_closed = False
        self._writer = threading.Thread(target=self._write, name="ponder-journal", daemon=True)
        self._writer.start()

    def open_run(self, name: str, header: Mapping[str, Any]) -> int:
        """The number of the run called `name`, made with `header` where it is new or nothing was recorded in it.

        Raises:
            JournalError: a run of that name stands with another header.
        """
        text = orjson.dumps(header, option=orjson.OPT_SORT_KEYS).decode()
        with _journal_errors(self.path):
            found = self._reader.execute("SELECT id, header FROM runs WHERE name = ?", (name,)).fetchone()
            if found is None:
                made = self._reader.execute("INSERT INTO runs (name, header) VALUES (?, ?)", (name, text))
                return int(made.lastrowid or 0)
            if found[1] != text and self._is_bare(found[0]):
                self._reader.execute("UPDATE runs SET header = ? WHERE id = ?", (text, found[0]))
                return int(found[0])
        if found[1] != text:
            old, new = orjson.loads(found[1]), orjson.loads(text)
            changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
            raise JournalError(
                f"run {name!r} in {self.path} must be resumed as it was started, but {', '.join(changed)} changed; "
                "give the changed run another name or another journal"
            )
        return int(found[0])

    def _is_bare(self, run: int) -> bool:
        """Whether nothing is recorded in a run, as where it was refused before its first call."""
        tables = ("intents", "effects", "charges", "steps", "results")
        rows = " UNION ALL ".join(f"SELECT 1 FROM {table} WHERE run = ?1" for table in tables)  # noqa: S608
        return self._reader.execute(f"{rows} LIMIT 1", (run,)).fetchone() is None

    async def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The recorded effects among `keys`."""
        found: dict[bytes, bytes] = {}
        with _journal_errors(self.path):
            for key in keys:
                row = self._reader.execute("SELECT value FROM effects WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    found[key] = row[0]
        return found

    async def step(self, run: int, place: str) -> tuple[str, bytes] | None:
        """The strategy and digest recorded at a place of a run."""
        query = "SELECT strategy, digest FROM steps WHERE run = ? AND place = ?"
        with _journal_errors(self.path):
            found: tuple[str, bytes] | None = self._reader.execute(query, (run, place)).fetchone()
        return found

    async def append(self, rows: list[Row]) -> None:
        """Write rows; they are on disk when this returns, and will be even if it is cancelled.

        Raises:
            JournalError: they could not be written, or the journal is closed.
        """
        if self._is_closed:
            raise JournalError(f"the journal {self.path} must be open to be written, but it was closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def settle(error: BaseException | None) -> None:
            if not future.done():
                future.set_exception(error) if error else future.set_result(None)

        self._rows.put((rows, lambda error: _notify(loop, settle, error)))
        await future

    def results(self, run: int) -> dict[str, bytes]:
        """The finished tasks of a run."""
        return dict(self._reader.execute("SELECT task, value FROM results WHERE run = ?", (run,)).fetchall())

    def spent(self, run: int) -> Spent:
        """What a run has cost so far, from its rows."""
        return spent(self._reader, run)

    def close(self) -> None:
        """Write what is queued and close the file."""
        if self._is_closed:
            return
        self._is_closed = True
        self._rows.put(None)
        self._writer.join()
        self._reader.close()
        self._lock.close()

    def _write(self) -> None:
        commits = 0
        while (first := self._rows.get()) is not None:
            batch = [first]
            is_last = False
            while not self._rows.empty():
                if (more := self._rows.get()) is None:
                    is_last = True
                    break
                batch.append(more)
            commits += 1
            error = self._commit((row for rows, _ in batch for row in rows), commits)
            for _, done in batch:
                done(error)
            if is_last:
                break
        self._connection.close()

    def _commit(self, rows: Iterable[Row], number: int) -> BaseException | None:
        """Write one group; after a failure nothing more is written."""
        if self._failed:
            return self._failed
        try:
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            for table, values in rows:
                if connection.execute(INSERTS[table], values).rowcount == 0 and table == "effects":
                    connection.execute(
                        PAID_TWICE, {"key": values[0], "run": values[1], "token": values[2], "usage": values[4]}
                    )
            if self._on_commit:
                self._on_commit(number, "before")
            connection.execute("COMMIT")
            if self._on_commit:
                self._on_commit(number, "after")
        except Exception as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
            self._failed = JournalError(
                f"the journal {self.path} must be writable, but: {error}; everything recorded before stands; "
                "free some room or fix the file's rights, then run the same command again"
            )
        return self._failed


class ReadOnlyJournal:
    """A journal opened for reading, even while another process writes it.

    Raises:
        JournalError: there is no such file, or it is no journal.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise JournalError(f"the journal must be a file, but {self.path} is none; run a sweep with --journal first")
        self._reader = _open(self.path, is_new_allowed=False)

    def runs(self) -> dict[str, Mapping[str, Any]]:
        """The header of each run, by name."""
        rows = self._reader.execute("SELECT name, header FROM runs ORDER BY id").fetchall()
        return {name: orjson.loads(header) for name, header in rows}

    def results(self, name: str) -> dict[str, bytes]:
        """The finished tasks of the run called `name`."""
        query = "SELECT task, value FROM results JOIN runs ON runs.id = run WHERE name = ?"
        return dict(self._reader.execute(query, (name,)).fetchall())

    def spent(self, name: str) -> Spent:
        """What the run called `name` has cost so far."""
        found = self._reader.execute("SELECT id FROM runs WHERE name = ?", (name,)).fetchone()
        return spent(self._reader, found[0] if found else -1)

    def close(self) -> None:
        self._reader.close()


def spent(connection: sqlite3.Connection, run: int) -> Spent:
    """Add up a run's rows: effects and charges as they were, open intents in full."""
    effects = "SELECT usage FROM effects WHERE run = ?1"
    lost = "SELECT usage FROM charges WHERE run = ?1"
    at_risk = (
        "SELECT bound FROM intents WHERE run = ?1 AND token NOT IN (SELECT token FROM effects)"
        " AND token NOT IN (SELECT token FROM charges)"
    )

    def usages(query: str) -> list[Usage]:
        return [Usage(**orjson.loads(row[0])) for row in connection.execute(query, (run,))]

    open_bounds = usages(at_risk)
    return Spent(Usage.total(usages(effects)), Usage.total(usages(lost)), Usage.total(open_bounds), len(open_bounds))


def _notify(
    loop: asyncio.AbstractEventLoop, settle: Callable[[BaseException | None], None], error: BaseException | None
) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed while the row was written
        loop.call_soon_threadsafe(settle, error)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


@contextlib.contextmanager
def _journal_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(
            f"{path} must be a readable and writable journal, but: {error}; restore a copy or name another file"
        ) from None


def _open(path: Path, *, is_new_allowed: bool = True) -> sqlite3.Connection:
    with _journal_errors(path):
        connection = _connect(path)
        try:
            if is_new_allowed and _is_empty(connection):
                connection.execute("PRAGMA journal_mode = WAL")
                mark = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
                connection.executescript(f"BEGIN; {SCHEMA} {mark} COMMIT;")
            _check(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _is_empty(connection: sqlite3.Connection) -> bool:
    application, tables = _number(connection, "PRAGMA application_id"), "SELECT count(*) FROM sqlite_master"
    return application == 0 and _number(connection, tables) == 0


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if _number(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise JournalError(f"{path} must be a ponder journal, but it is another program's database; name another file")
    if (found := _number(connection, "PRAGMA user_version")) != VERSION:
        raise JournalError(f"{path} must be a journal of version {VERSION}, got {found}; use the ponder that wrote it")
    if (verdict := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise JournalError(f"{path} must be whole, but it is damaged ({verdict}); restore a copy or name another file")


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _lock(path: Path) -> Any:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open(f"{path}.lock", "w")  # noqa: SIM115 - held as long as the journal is open
    except OSError as error:
        raise JournalError(f"{path} must be in a writable folder, but: {error}; name another file") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise JournalError(
            f"{path} must have one writer, but another process is writing it; wait or name another file"
        ) from None
    return lock
