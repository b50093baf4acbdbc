"""A server that gets a signal under load: everyone it accepted is answered or told, and its accounts hold."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from forked_child import forked
from serving import single
from told_clients import Clients

from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.server.accounts import Accounts
from ponder.orchestrator.server.keys import Keys
from ponder.orchestrator.server.serve import serve

MOMENTS = int(os.environ.get("PONDER_SIGNALS", "24"))
"""Signals at random moments, each to a server of its own."""
WORD = "pk-signal-0123456789"
KEYS = f'[[keys]]\nname = "alice"\nkey = "{WORD}"\nbudget = {{total_tokens = 100000000}}\n'
CLIENTS = 12
QUICK = single("quick", SimulatedSpec(latency_s=0.01, token_latency_s=0.002))
SLOW = single("slow", SimulatedSpec(latency_s=0.05, token_latency_s=1.0))
LONG_S = 20.0
"""Seconds of a drain in which all that runs comes to its end."""
MOST_S = 10.0
"""Seconds from the last signal to the end of the process, on a processor that others use too."""


class Server:
    """A server in a process of its own, forked where all is imported, so that it listens in milliseconds."""

    def __init__(self, folder: Path, drain_s: float) -> None:
        self.accounts = folder / "accounts"
        (folder / "keys.toml").write_text(KEYS)
        ready, told = os.pipe()
        self.pid = forked(lambda: self._serve(folder / "keys.toml", drain_s, told))
        os.close(told)
        with os.fdopen(ready) as file:
            host, port = file.readline().strip().removeprefix("http://").split(":")
        self.address = host, int(port)

    def _serve(self, key_file: Path, drain_s: float, told: int) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        options = {"key_file": key_file, "accounts_file": self.accounts, "drain_s": drain_s}
        serve([QUICK, SLOW], port=0, on_ready=lambda url: os.write(told, f"{url}\n".encode()), **options)

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    async def status(self) -> tuple[int, float]:
        """Its exit status, and the seconds until it came."""
        begun = time.monotonic()
        waited = await asyncio.to_thread(os.waitpid, self.pid, 0)
        return os.waitstatus_to_exitcode(waited[1]), time.monotonic() - begun

    async def spent(self) -> int:
        """What its accounts hold, read as the next server would."""
        accounts = Accounts(Keys.load(self.accounts.with_name("keys.toml"), {}), self.accounts)
        try:
            return (await accounts.spent("alice")).total_tokens
        finally:
            await accounts.close()


async def stopped(folder: Path, seed: int, model: str, *, drain_s: float, signals: int = 1) -> Clients:
    """A server is stopped at a random moment while clients ask; it ends well and in time."""
    rng = random.Random(seed)
    server = Server(folder, drain_s)
    clients = Clients(server.address, WORD, model)
    asking = asyncio.create_task(clients.ask_on(CLIENTS, seed))
    answers = 0 if model == "slow" else rng.randrange(30)
    while clients.ended.ends.total() < answers:
        await asyncio.sleep(0.001)
    await asyncio.sleep(rng.random() * 0.1)
    server.stop()
    if signals == 2:
        await asyncio.sleep(0.05 + rng.random() * 0.2)
        server.stop()
    status, seconds = await server.status()
    async with asyncio.timeout(10):
        await asking
    assert status == 0
    assert seconds < MOST_S  # no request of those that are let end takes longer
    assert not clients.ended.ends["cut"], clients.ended.cut[:3]
    spent, told = await server.spent(), clients.ended.ends["told"]
    assert clients.ended.tokens <= spent <= clients.ended.tokens + told * 100
    if drain_s == LONG_S and signals == 1:
        assert spent == clients.ended.tokens  # so no run was lost: who was told came too late to begin one
    return clients


@pytest.mark.parametrize("drain_s", [LONG_S, 0.0])
async def test_a_signal_at_any_moment_loses_no_request(tmp_path: Path, drain_s: float) -> None:
    ends: Counter[str] = Counter()
    for seed in range(MOMENTS // 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        ends += (await stopped(folder, seed, "quick", drain_s=drain_s)).ended.ends
    assert ends["answered"] > MOMENTS
    assert drain_s == LONG_S or ends["told"] > 0


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    ends: Counter[str] = Counter()
    for seed in range(max(2, MOMENTS // 10)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        ends += (await stopped(folder, seed, "slow", drain_s=LONG_S, signals=2)).ended.ends
    assert ends["told"] > 0 and not ends["answered"]
