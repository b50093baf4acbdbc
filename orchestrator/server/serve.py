"""`serve`: pipelines as models on a port, until a signal."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from ..budget import NO_LIMIT, Budget
from ..errors import UsageError
from ..frontier import Frontier
from ..pipeline import Pipeline
from .accounts import Accounts
from .auth import check_binding
from .keys import Keys
from .redaction import redacted
from .refusal import LOGGER
from .runs import MOST_RUNS
from .served import by_name

LOGGERS = ("ponder.server", "uvicorn.error")
BACKLOG = 2048


def serve(
    served: Iterable[Pipeline | Frontier],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    key_file: str | Path | None = None,
    accounts_file: str | Path | None = None,
    budget: Budget = Budget(),
    seed: int | None = None,
    strategies: Iterable[str] = (),
    most_runs: int = MOST_RUNS,
    most_waiting: int = MOST_RUNS,
    drain_s: float = 10.0,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve pipelines and frontiers under their names until SIGTERM or SIGINT; a second signal ends what still runs.

    Prints nothing. Warnings and errors go to the loggers ``ponder.server`` and ``uvicorn.error``, without keys.

    Args:
        served: each with its own name; the points of a frontier are called NAME-1 and on.
        host: where to listen; other than loopback only with keys.
        port: 0 takes a free one.
        key_file: one key a line, or ``[[keys]]`` tables with limits; more may come from ``PONDER_API_KEYS``.
        accounts_file: keeps what each key has spent when the server stops; without one it is forgotten.
        budget: the most that one request may cost, whatever it asks for.
        seed: for requests that send none; None draws one for each.
        strategies: kinds of strategies and verifiers that requests may bring.
        most_runs: most requests that run at once.
        most_waiting: most that wait for their turn besides.
        drain_s: seconds that requests in flight may take to end after the first signal.
        on_ready: called with the address, such as ``http://127.0.0.1:8000``, once requests are taken.

    Raises:
        UsageError: a pipeline cannot be served, the address cannot be taken, or it would stand open.
        EngineError: an engine does not start.
    """
    keys = Keys.load(key_file)
    check_binding(host, keys)
    _check_accounts(accounts_file, keys)
    named, frontiers = by_name(served := list(served)), [each for each in served if isinstance(each, Frontier)]
    try:
        from .app import create_app
        from .listener import Listener
    except ImportError as error:
        raise UsageError(f"serving needs {error.name}; add it with: pip install 'ponder[serve]'") from None
    app = create_app(
        named,
        frontiers=frontiers,
        keys=keys,
        accounts=Accounts(keys, accounts_file),
        budget=budget,
        seed=seed,
        strategies=strategies,
        most_runs=most_runs,
        most_waiting=most_waiting,
    )
    with listen(host, port) as door, redacted(LOGGERS, keys):
        told = (lambda: on_ready(url(door))) if on_ready else None
        Listener(app, drain_s=drain_s, on_ready=told).run([door])


def _check_accounts(file: str | Path | None, keys: Keys) -> None:
    """Refuse a file of accounts that nobody has, and warn where there is none of what has a budget.

    Raises:
        UsageError: there are no keys.
    """
    if file is not None and not keys:
        raise UsageError("an accounts file keeps what keys spend, but there are none; give a key file too, or neither")
    if file is None and (limited := [key.name for key in keys if key.budget != NO_LIMIT]):
        LOGGER.warning("what %s spends of its budget is forgotten when the server stops: keep it in a file", limited[0])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UsageError: the address cannot be had.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"a port must be between 0 and 65535, got {port}; choose another port, 0 for any that is free")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        # The protocol is named because asyncio turns Nagle's delay (40 ms an answer) off only where it is.
        door = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise _unlistenable(host, port, error) from None
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(BACKLOG)
    except OSError as error:
        door.close()
        raise _unlistenable(host, port, error) from None
    return door


def _unlistenable(host: str, port: int, error: Exception) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(
        f"a server must be able to listen at {host!r}, port {port}, but: {reason}; choose another port or host"
    )


def url(door: socket.socket) -> str:
    """The address that clients reach a listening socket by."""
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
