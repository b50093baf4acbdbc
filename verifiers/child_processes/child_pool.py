"""A few child processes for work on hostile texts, which may take for ever; shared by everything in this process.

Callers may be on any thread and any event loop. Each child is served by one thread of ours, is started at its first
request, is kept warm, and is killed and replaced when it does not answer in time. All end with this process: at exit
they are killed, and when it dies without a word their input closes.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import hashlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from queue import SimpleQueue
from typing import Annotated

from pydantic import Field

from ...orchestrator.errors import VerifierError

CHILDREN = 2
START_LIMIT_S = 120.0
REMEMBERED = 8192
CpuSeconds = Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a child found: a verdict or a text, and the problem where there was one."""

    value: bool | str | None
    problem: str = ""


class ChildPool:
    """Children that answer one request at a time each.

    A request is answered once: who asks the same again, even before the answer is there, gets the same reply.

    Args:
        worker: the module of this room that the children run; see `child_worker`.
        children: most child processes.
    """

    def __init__(self, worker: str, children: int = CHILDREN) -> None:
        self._children = [Child(worker) for _ in range(children)]
        self._waiting: SimpleQueue[tuple[bytes, bytes, float, Future[Reply]] | None] = SimpleQueue()
        self._known: OrderedDict[bytes, Future[Reply]] = OrderedDict()
        self._lock = threading.Lock()
        self._is_serving = False
        self._is_closed = False
        self._owner = os.getpid()

    async def ask(self, do: str, *, cpu_s: float, **given: str | int | None) -> Reply:
        """What a child finds within `cpu_s` CPU seconds; a reply with a problem where that is not enough.

        Args:
            do: a kind of work that the worker knows.
            cpu_s: CPU seconds it may take.
            given: what the work is on.

        Raises:
            VerifierError: no child can be started.
        """
        line = json.dumps({"do": do, "cpu_s": cpu_s, **given}).encode()
        return await asyncio.shield(asyncio.wrap_future(self._submitted(line, cpu_s)))

    def process_ids(self) -> list[int]:
        """The children that run now."""
        return [child.pid for child in self._children if child.pid is not None]

    def close(self) -> None:
        """Kill the children; what is asked and not answered yet fails with `VerifierError`.

        In a fork of the process that made the pool this does nothing: the children are not the fork's.
        """
        if os.getpid() != self._owner:
            return
        with self._lock:
            self._is_closed = True
            for _ in self._children:
                self._waiting.put(None)
        for child in self._children:
            child.kill()

    def _submitted(self, line: bytes, cpu_s: float) -> Future[Reply]:
        key = hashlib.blake2b(line, digest_size=16).digest()
        with self._lock:
            if self._is_closed:
                raise VerifierError("a pool of child processes must be open, but it was closed; make another")
            if (known := self._known.get(key)) is not None:
                return known
            if not self._is_serving:
                self._serve_all()
            reply = self._known[key] = Future()
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            self._waiting.put((key, line, cpu_s, reply))
        return reply

    def _serve_all(self) -> None:
        self._is_serving = True
        for child in self._children:
            threading.Thread(target=self._serve, args=(child,), name="ponder-child", daemon=True).start()

    def _serve(self, child: Child) -> None:
        while (item := self._waiting.get()) is not None:
            key, line, cpu_s, reply = item
            try:
                found = None if self._is_closed else child.ask(line, wall_s=10 * cpu_s + 5)
                if found is None or self._is_closed:
                    raise VerifierError("the pool of child processes was closed before it could answer")
                reply.set_result(found)
            except Exception as error:
                with self._lock:
                    self._known.pop(key, None)
                reply.set_exception(error)
        child.stop()


class Child:
    """One child process, started when it is first needed and again after it was killed."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def ask(self, line: bytes, wall_s: float) -> Reply:
        """The child's reply; a child that dies or gives none in `wall_s` seconds is replaced at the next call.

        Raises:
            VerifierError: the child cannot be started.
        """
        if self.pid is None:
            self._start()
        try:
            reply = self._exchange(line, wall_s)
        except OSError:
            reply = None
        if reply is None:
            self.stop()
            return Reply(None, "it cost too much time or memory, and the process that read it was replaced")
        return reply

    def kill(self) -> None:
        """Kill the process, if there is one, and wait for its end."""
        if (process := self._process) is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Kill the process, if there is one, and let go of its pipes; for the thread that serves it."""
        self.kill()
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()

    def _start(self) -> None:
        self.stop()
        command = [sys.executable, "-P", "-m", f"{__package__}.{self._worker}"]
        # A session of its own keeps the terminal's Ctrl-C away; a bare environment keeps secrets away.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
            bufsize=0,
        )
        ready = self._exchange(b"", START_LIMIT_S)
        if ready is None or ready.value != "ready":
            self.stop()
            reason = ready.problem if ready else f"it said nothing in {START_LIMIT_S:g} s"
            raise VerifierError(f"a process of {self._worker} must start, but did not: {reason}; see ponder doctor")

    def _exchange(self, line: bytes, wall_s: float) -> Reply | None:
        """Send a line, if any, and take the next reply; None where none comes in time."""
        process, until = self._process, time.monotonic() + wall_s
        if process is None or process.stdin is None or process.stdout is None:
            return None
        if line and not _written(process.stdin.fileno(), line + b"\n", until):
            return None
        answer = b""
        while not answer.endswith(b"\n"):
            part = os.read(process.stdout.fileno(), 1 << 16) if _ready(process.stdout.fileno(), "r", until) else b""
            if not part:
                return None
            answer += part
        return Reply(**json.loads(answer))


def pool_of(worker: str) -> ChildPool:
    """This process's pool of children that run `worker`; one that was forked gets its own. No child is started yet."""
    return _pool_of(worker, os.getpid())


@lru_cache(maxsize=8)
def _pool_of(worker: str, _pid: int) -> ChildPool:
    pool = ChildPool(worker)
    atexit.register(pool.close)
    return pool


def _written(pipe: int, line: bytes, until: float) -> bool:
    """Whether all of `line` could be written in time: one longer than a pipe waits for who reads it."""
    os.set_blocking(pipe, False)
    rest = memoryview(line)
    while rest and _ready(pipe, "w", until):
        rest = rest[os.write(pipe, rest) :]
    return not rest


def _ready(pipe: int, way: str, until: float) -> bool:
    """Whether a pipe can be read from or written to before a time on the monotonic clock."""
    poller = select.poll()
    poller.register(pipe, select.POLLIN if way == "r" else select.POLLOUT)
    return bool(poller.poll(max(0.0, until - time.monotonic()) * 1000))


def _environment() -> dict[str, str]:
    """What a child must know: where modules are, and a fixed hash seed, so that forms are spelled alike everywhere."""
    kept = {name: value for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if (value := os.environ.get(name))}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "0"}
