"""The accounts' file: one SQLite database of what each key has spent, and of the leases whose requests still run.

A lease is on disk before its request runs, so that one left open by a crash is charged in full at the next start. There
are at most a hundred commits a second: what comes between goes into the next one together. Ends may wait longer, for
losing one costs no more than its lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from ..types import Usage
from .refusal import unavailable

LOGGER = logging.getLogger("ponder.server")
APPLICATION_ID = 0x706F6E61
VERSION = 1
SCHEMA = """
CREATE TABLE spending (key TEXT PRIMARY KEY, usage TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE leases (id TEXT PRIMARY KEY, key TEXT NOT NULL, bound TEXT NOT NULL) WITHOUT ROWID;
"""
BEGIN = "INSERT INTO leases VALUES (?, ?, ?)"
END = "DELETE FROM leases WHERE id = ?"
SPENT = "INSERT OR REPLACE INTO spending VALUES (?, ?)"
APART_S = 0.01
END_WITHIN_S = 0.05


@dataclass(slots=True)
class _Batch:
    """What goes to disk together."""

    leases: list[tuple[str, str, str]] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    ended: list[tuple[str]] = field(default_factory=list)
    spent: dict[str, Usage] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.leases or self.ended or self.spent)

    def tell(self, error: Exception | None) -> None:
        """Wake whoever waits for its lease."""
        for future in self.waiting:
            if not future.done():
                future.set_exception(error) if error else future.set_result(None)


class AccountsFile:
    """An open file of accounts; leases that a crash left open are charged in full.

    Args:
        path: the file; made where it is missing, with its folder.

    Raises:
        UsageError: it is another kind of file, cannot be written, or another server has it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._connection = _open(self.path)
        self._thread = ThreadPoolExecutor(1, "ponder-accounts")
        self._next = _Batch()
        self._begun: set[str] = set()
        self._flushing: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None

    def spent(self) -> dict[str, Usage]:
        """What each key has spent when the file was opened."""
        return _spent(self._connection)

    async def begin(self, lease: str, key: str, bound: Usage) -> None:
        """Record a lease; it is on disk when this returns.

        Raises:
            Refusal: it cannot be written.
        """
        future = asyncio.get_running_loop().create_future()
        self._begun.add(lease)
        self._next.leases.append((lease, key, _text(bound)))
        self._next.waiting.append(future)
        self._flush()
        await future

    def end(self, lease: str, key: str, spent: Usage) -> None:
        """Record that a lease has ended, if it was begun, and what its key has spent with it; it is on disk soon."""
        if lease in self._begun:
            self._begun.remove(lease)
            self._next.ended.append((lease,))
        self._next.spent[key] = spent
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(END_WITHIN_S, self._flush)

    async def close(self) -> None:
        """Write what is left and close the file."""
        self._flush()
        if self._flushing is not None:
            await self._flushing
        self._thread.shutdown()
        self._connection.close()

    def _flush(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._next:
            began, batch, self._next = loop.time(), self._next, _Batch()
            error = await loop.run_in_executor(self._thread, self._commit, batch)
            if error is None:
                batch.tell(None)
            else:
                self._put_back(batch, error)
            if error is not None and not self._next.leases:
                return
            await asyncio.sleep(began + APART_S - loop.time())

    def _put_back(self, batch: _Batch, error: Exception) -> None:
        """Refuse the leases of a batch that could not be written, and keep the ends for the next."""
        LOGGER.error("accounts in %s must be writable, but: %s; requests are refused until then", self.path, error)
        self._begun.difference_update(lease for lease, _, _ in batch.leases)
        self._next.ended[:0] = batch.ended
        self._next.spent = batch.spent | self._next.spent
        batch.tell(unavailable("the server cannot keep its accounts now; try again later", "accounts_unavailable"))

    def _commit(self, batch: _Batch) -> Exception | None:
        try:
            with _transaction(self._connection) as connection:
                connection.executemany(BEGIN, batch.leases)
                connection.executemany(END, batch.ended)
                connection.executemany(SPENT, [(key, _text(usage)) for key, usage in batch.spent.items()])
        except sqlite3.Error as error:
            return error
        return None


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.rollback()
        raise


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from None
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # one server a file
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        with _transaction(connection):
            _check(connection, path)
            _charge_open_leases(connection)
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file, and refuse one that has others."""
    application, version = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("application_id", "user_version")
    )
    if application == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        for statement in (*SCHEMA.strip().splitlines(), *_marks()):
            connection.execute(statement)
        return
    if (application, version) != (APPLICATION_ID, VERSION):
        what = f"version {version}" if application == APPLICATION_ID else "another program's database"
        raise UsageError(f"{path} must hold accounts of version {VERSION}, but is {what}; name another file")


def _marks() -> tuple[str, str]:
    return f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {VERSION}"


def _charge_open_leases(connection: sqlite3.Connection) -> None:
    spent = _spent(connection)
    for key, bound in connection.execute("SELECT key, bound FROM leases").fetchall():
        spent[key] = spent.get(key, Usage()) + Usage(**json.loads(bound))
    connection.executemany(SPENT, [(key, _text(usage)) for key, usage in spent.items()])
    connection.execute("DELETE FROM leases")


def _spent(connection: sqlite3.Connection) -> dict[str, Usage]:
    rows = connection.execute("SELECT key, usage FROM spending").fetchall()
    return {key: Usage(**json.loads(usage)) for key, usage in rows}


def _text(usage: Usage) -> str:
    """A usage as JSON; counts may be longer than 64 bits."""
    return json.dumps(usage.as_dict())


def _unusable(path: Path, error: Exception) -> UsageError:
    remedy = "end the server that has it" if "locked" in str(error) else "name another file"
    return UsageError(f"accounts must be in a file that this server alone can write, but {path}: {error}; {remedy}")
