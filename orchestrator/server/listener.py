"""The listener: uvicorn that starts engines before it listens and lets runs end before it stops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from .connection import Connection
from .runs import Runs, end
from .served import Models

GRACE_S = 2.0
TICK_S = 0.1


class Listener(uvicorn.Server):
    """Serves `app` until a signal. The first one drains: runs in flight may end; the second one ends them.

    Args:
        app: of `create_app`.
        drain_s: seconds that runs in flight may take to end; then each client is told to come back.
        on_ready: called once requests are taken.
    """

    def __init__(self, app: Starlette, *, drain_s: float = 10.0, on_ready: Callable[[], None] | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="on",
                ws="none",
                timeout_graceful_shutdown=None,
            )
        )
        self._models: Models = app.state.models
        self._runs: Runs = app.state.runs
        self._drain_s = drain_s
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the engines first, so that their errors reach the caller as they are and a signal need not wait."""
        opening = asyncio.create_task(self._models.open())
        while not opening.done() and not self.should_exit:
            await asyncio.wait([opening], timeout=TICK_S)
        if self.should_exit:
            await end(opening)
            await self._models.close()
            return
        opening.result()
        gc.collect()
        gc.freeze()  # the collector need not look again at what stays for as long as the server
        await super().startup(sockets)
        if self._on_ready is not None:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, wait for what runs, then tell those who still wait."""
        self._runs.close()
        self.config.timeout_graceful_shutdown = max(1, round(self._drain_s + GRACE_S))
        late = asyncio.get_running_loop().call_later(self._drain_s, self._runs.cancel)
        try:
            await super().shutdown(sockets)
        finally:
            late.cancel()
            gc.unfreeze()
            await self._models.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while serving, and end as if the caller had asked; uvicorn would raise them again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, end the runs at the second."""
        if self.should_exit:
            self._runs.cancel()
        self.should_exit = True
