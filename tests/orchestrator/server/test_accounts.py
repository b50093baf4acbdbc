"""What keys may spend holds, whatever comes in whatever order, and what they spent is never forgotten."""

from __future__ import annotations

import asyncio
import copy
import random
import resource
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from ponder.orchestrator.budget import COUNTED, Budget, amounts
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.server.accounts import Accounts, Lease
from ponder.orchestrator.server.accounts_file import APART_S
from ponder.orchestrator.server.keys import Key
from ponder.orchestrator.server.refusal import Refusal
from ponder.orchestrator.types import Usage

LEAST = Usage(prompt_tokens=5, completion_tokens=1, calls=1)
MOST = Budget(total_tokens=100, seconds=60)
MANY = 1000


def key(name: str = "alice", **limits: object) -> Key:
    return Key.model_validate({"name": name, "digest": name.encode().hex().ljust(64, "0"), **limits})


def accounts_of(budget: Budget, **limits: object) -> Accounts:
    return Accounts([key(budget=budget, **limits)])


@asynccontextmanager
async def kept_in(path: Path, *keys: Key) -> AsyncIterator[Accounts]:
    accounts = Accounts(keys, path)
    try:
        yield accounts
    finally:
        await accounts.close()


def spent_by(rng: random.Random, lease: Lease) -> Usage:
    """What a run spends that keeps to its lease and mostly ends early."""
    total = min(lease.budget.total_tokens or 0, max(6, int(rng.gauss(40, 20))))
    return Usage(prompt_tokens=5, completion_tokens=total - 5, calls=1)


@pytest.mark.parametrize("seed", range(20))
async def test_a_thousand_at_once_use_a_budget_and_never_exceed_it(seed: int) -> None:
    rng, limit, told = random.Random(seed), 10_000, []
    accounts = accounts_of(Budget(total_tokens=limit))

    async def request() -> None:
        try:
            lease = await accounts.lease("alice", LEAST, MOST)
        except Refusal as refusal:
            told.append(refusal.status)
            return
        try:
            await asyncio.sleep(rng.random() * 0.002)
            accounts.settle(lease.id, spent_by(rng, lease))
        finally:
            await accounts.charge_in_full([lease.id])
        accounts.settle(lease.id, Usage(999))

    requests = [asyncio.create_task(request()) for _ in range(MANY)]
    for gone in rng.sample(requests, 100):
        asyncio.get_running_loop().call_later(rng.random() * 0.05, gone.cancel)
    await asyncio.wait(requests)
    spent = await accounts.spent("alice")
    assert 0.95 * limit <= spent.total_tokens <= limit
    assert told and set(told) == {402}
    with pytest.raises(Refusal, match="total_tokens: an answer costs"):
        await accounts.lease("alice", Usage(6 + limit - spent.total_tokens), MOST)


class Fire:
    """Random requests of one key beside a plain account of what it should have spent."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        names = self.rng.sample(COUNTED, 4)
        self.budget = Budget.model_validate({name: self.rng.randint(50, 900) for name in names})
        self.at_once = self.rng.choice([None, 3, 30])
        self.accounts = accounts_of(self.budget, at_once=self.at_once)
        self.asking: set[asyncio.Task[Lease]] = set()
        self.running: list[Lease] = []
        self.spent = Usage()
        self.statuses: set[int] = set()

    def ask(self) -> None:
        least = Usage(*(self.rng.randint(0, 3) for _ in Usage.__slots__))
        limits = {name: self.rng.randint(3, 40) for name in COUNTED if self.rng.random() < 0.9}
        task = asyncio.create_task(self.accounts.lease("alice", least, Budget.model_validate(limits)))
        self.asking.add(task)

    def collect(self) -> None:
        for task in [task for task in self.asking if task.done()]:
            self.asking.discard(task)
            if task.cancelled():
                continue
            if isinstance(error := task.exception(), Refusal):
                self.statuses.add(error.status)
            else:
                self.running.append(task.result())

    async def finish(self) -> None:
        lease = self.running.pop(self.rng.randrange(len(self.running)))
        few = [int(self.rng.random() < 0.3) for _ in Usage.__slots__]
        used = Usage(*few) if lease.budget.fits(Usage(*few)) else Usage()
        self.accounts.settle(lease.id, used)
        self.spent += used

    def check(self) -> None:
        """What runs may yet spend fits what is left, and no more run than may."""
        assert self.at_once is None or len(self.running) <= self.at_once
        for i, limit in enumerate(self.budget.limits()):
            if limit is not None:
                may = sum(lease.budget.limits()[i] or 0 for lease in self.running)
                assert amounts(self.spent)[i] + may <= limit

    async def step(self) -> None:
        match self.rng.random():
            case chance if chance < 0.45:
                self.ask()
            case chance if chance < 0.5 and self.asking:
                self.rng.choice(list(self.asking)).cancel()
            case chance if chance < 0.95 and self.running:
                await self.finish()
            case _:
                await asyncio.sleep(0)
        self.collect()
        self.check()


async def test_random_fire_never_breaks_an_account() -> None:
    statuses: set[int] = set()
    for seed in range(25):
        fire = Fire(seed)
        for _ in range(400):
            await fire.step()
        while fire.running or fire.asking:
            await (fire.finish() if fire.running else asyncio.sleep(0))
            fire.collect()
            fire.check()
        assert await fire.accounts.spent("alice") == fire.spent
        statuses |= fire.statuses
    assert statuses == {402, 429}


async def test_a_lease_is_what_was_asked_within_what_is_left() -> None:
    accounts = accounts_of(Budget(total_tokens=150, cost_usd=1.0))
    first = await accounts.lease("alice", LEAST, Budget(total_tokens=100, cost_usd=0.25, calls=7))
    assert first.budget == Budget(total_tokens=100, cost_usd=0.25, calls=7)
    second = asyncio.create_task(accounts.lease("alice", LEAST, Budget(total_tokens=100, cost_usd=0.25)))
    third = asyncio.create_task(accounts.lease("alice", LEAST, Budget(total_tokens=10, cost_usd=0.25)))
    await asyncio.sleep(0)
    assert not second.done() and not third.done()
    accounts.settle(first.id, Usage(prompt_tokens=60, nano_usd=1_000_000))
    assert (await second).budget == Budget(total_tokens=90, cost_usd=0.25)
    accounts.settle((await second).id, Usage(prompt_tokens=20))
    assert (await third).budget == Budget(total_tokens=10, cost_usd=0.25)
    rest = asyncio.create_task(accounts.lease("alice", LEAST, Budget()))
    await asyncio.sleep(0)
    await accounts.charge_in_full([(await third).id, "unknown"])
    assert (await rest).budget == Budget(total_tokens=60, cost_usd=0.749)


async def test_who_waits_too_long_is_told_to_come_back_and_lets_others_in() -> None:
    accounts = accounts_of(Budget(total_tokens=100), at_once=2)
    first = await accounts.lease("alice", LEAST, MOST)
    with pytest.raises(Refusal, match="held by its other requests") as told:
        await accounts.lease("alice", LEAST, Budget(total_tokens=100, seconds=0.01))
    assert (told.value.status, told.value.code, told.value.kind) == (429, "rate_limit_exceeded", "requests")
    accounts.settle(first.id, Usage())
    for _ in range(2):
        await accounts.lease("alice", LEAST, Budget(total_tokens=50))


async def test_waiting_takes_from_the_deadline() -> None:
    now = 0.0
    accounts = Accounts([key(budget=Budget(calls=1))], clock=lambda: now)
    first = await accounts.lease("alice", LEAST, MOST)
    second = asyncio.create_task(accounts.lease("alice", LEAST, MOST))
    await asyncio.sleep(0)
    now = 45.0
    accounts.settle(first.id, Usage())
    assert (await second).budget == Budget(calls=1, total_tokens=100, seconds=15.0)


async def test_an_engine_that_lies_ends_its_key_and_no_other() -> None:
    accounts = Accounts([key("alice", budget=Budget(total_tokens=100)), key("bob", budget=Budget(total_tokens=100))])
    lease = await accounts.lease("alice", LEAST, MOST)
    accounts.settle(lease.id, Usage(prompt_tokens=700))
    with pytest.raises(Refusal, match="has 0 left") as told:
        await accounts.lease("alice", Usage(), MOST)
    assert (told.value.status, told.value.headers) == (402, {"x-should-retry": "false"})
    assert (await accounts.lease("bob", LEAST, MOST)).budget.total_tokens == 100


async def test_at_most_so_many_at_once() -> None:
    accounts = accounts_of(Budget(), at_once=2)
    first, _ = [await accounts.lease("alice", LEAST, MOST) for _ in range(2)]
    with pytest.raises(Refusal, match="at most 2 requests of this key") as told:
        await accounts.lease("alice", LEAST, MOST)
    assert (told.value.status, told.value.headers) == (429, {"retry-after": "1"})
    accounts.settle(first.id, Usage())
    await accounts.lease("alice", LEAST, MOST)


async def test_at_most_so_many_a_minute() -> None:
    now = 0.0
    accounts = Accounts([key(requests_per_minute=2, at_once=1)], clock=lambda: now)
    for moment in (0.0, 10.0):
        now = moment
        lease = await accounts.lease("alice", LEAST, MOST)
        with pytest.raises(Refusal, match="at once"):
            await accounts.lease("alice", LEAST, MOST)
        accounts.settle(lease.id, Usage())
    now = 29.5
    with pytest.raises(Refusal, match="at most 2 requests of this key may begin a minute") as told:
        await accounts.lease("alice", LEAST, MOST)
    assert (told.value.status, told.value.headers) == (429, {"retry-after": "31"})
    now = 60.0
    await accounts.lease("alice", LEAST, MOST)


async def test_anyone_has_no_limits() -> None:
    accounts = Accounts()
    leases = [await accounts.lease("anyone", LEAST, MOST) for _ in range(50)]
    assert {lease.budget.total_tokens for lease in leases} == {100}
    accounts.settle(leases[0].id, Usage(calls=3))
    assert await accounts.spent("anyone") == Usage(calls=3)


async def test_what_was_spent_outlives_the_server(tmp_path: Path) -> None:
    path = tmp_path / "new" / "accounts"
    alice = key(budget=Budget(total_tokens=100, flops=10**30))
    async with kept_in(path, alice, key("bob")) as accounts:
        lease = await accounts.lease("alice", LEAST, MOST)
        accounts.settle(lease.id, Usage(20, 5, 10, 1, flops=10**25))
        accounts.settle((await accounts.lease("bob", LEAST, MOST)).id, Usage(7))
        await accounts.lease("alice", LEAST, Budget(total_tokens=30, flops=0))
    async with kept_in(path, alice) as accounts:
        assert await accounts.spent("alice") == Usage(50, 5, 10, 1, flops=10**25)
        assert (await accounts.lease("alice", LEAST, MOST)).budget.total_tokens == 40
    async with kept_in(path, alice, key("bob")) as accounts:
        assert (await accounts.spent("alice")).total_tokens == 100
        assert await accounts.spent("bob") == Usage(7)


async def test_a_cancelled_request_leaves_nothing_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "accounts"
    async with kept_in(path, key(budget=Budget(total_tokens=100))) as accounts:
        asking = asyncio.create_task(accounts.lease("alice", LEAST, MOST))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await accounts.lease("alice", LEAST, Budget(total_tokens=60))).budget.total_tokens == 60
    async with kept_in(path, key()) as accounts:
        assert (await accounts.spent("alice")).total_tokens == 60


CHILD = """
import asyncio, random, sys
from ponder.orchestrator.budget import Budget
from ponder.orchestrator.server.accounts import Accounts
from ponder.orchestrator.server.keys import Key
from ponder.orchestrator.types import Usage

async def main(path, seed):
    rng, alice = random.Random(seed), Key(name="alice", digest="a" * 64, budget=Budget(total_tokens=9000))
    accounts = Accounts([alice], path)
    async def request():
        lease = await accounts.lease("alice", Usage(1), Budget(total_tokens=rng.randint(10, 100)))
        print("lease", lease.id, lease.budget.total_tokens, flush=True)
        await asyncio.sleep(rng.random() * 0.1)
        spent = rng.randint(0, lease.budget.total_tokens)
        accounts.settle(lease.id, Usage(spent))
        print("settled", lease.id, spent, flush=True)
    while True:
        asyncio.create_task(request())
        await asyncio.sleep(0.002)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_a_kill_forgets_nothing_and_charges_what_ran(tmp_path: Path) -> None:
    path, least, most = tmp_path / "accounts", 0, 0
    for seed in range(4):
        with subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(seed)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(30 + 7 * seed)]
            child.kill()
            lines += child.stdout.readlines()
        told = [line.split() for line in lines if line.endswith(b"\n")]
        leased = {lease: int(tokens) for what, lease, tokens in told if what == b"lease"}
        settled = {lease: int(tokens) for what, lease, tokens in told if what == b"settled"}
        assert leased and settled
        least += sum(settled.get(lease, tokens) for lease, tokens in leased.items())
        most += sum(leased.values())
        async with kept_in(path, key(budget=Budget(total_tokens=9000))) as accounts:
            spent = (await accounts.spent("alice")).total_tokens
        assert least <= spent <= min(9000, most + 100 * 100)
        least = most = spent


async def test_a_full_disk_refuses_requests_until_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, alice, bob = tmp_path / "accounts", key(budget=Budget(total_tokens=100), at_once=2), key("bob")
    async with kept_in(path, alice, bob) as accounts:
        first = await accounts.lease("alice", LEAST, Budget(total_tokens=60))
        other = await accounts.lease("bob", LEAST, MOST)
        await asyncio.sleep(2 * APART_S)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
        try:
            accounts.settle(first.id, Usage(30))
            accounts.settle(other.id, Usage(7))
            asking = [asyncio.create_task(accounts.lease("alice", LEAST, Budget(total_tokens=30)))]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            asking.append(asyncio.create_task(accounts.lease("alice", LEAST, Budget(total_tokens=30))))
            refused = await asyncio.gather(*asking, return_exceptions=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        for told in refused:
            assert isinstance(told, Refusal) and "cannot keep its accounts now" in str(told)
            assert (told.status, told.headers) == (503, {"retry-after": "1"})
        assert caplog.text.count("must be writable") == 2
        assert (await accounts.lease("alice", LEAST, MOST)).budget.total_tokens == 70
    async with kept_in(path, alice, bob) as accounts:
        assert [(await accounts.spent(name)).total_tokens for name in ("alice", "bob")] == [100, 7]


def test_refuses_files_that_are_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be looked at as if it were one\n" * 20)
    with pytest.raises(UsageError, match="name another file"):
        Accounts((), tmp_path / "text")
    with pytest.raises(UsageError, match="name another file"):
        Accounts((), tmp_path / "text" / "under")
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("CREATE TABLE mine (a)")
    with pytest.raises(UsageError, match="another program's database"):
        Accounts((), tmp_path / "other")


async def test_refuses_other_versions_and_a_second_server(tmp_path: Path) -> None:
    path = tmp_path / "accounts"
    async with kept_in(path):
        with pytest.raises(UsageError, match=r"this server alone can write.*locked; end the server that has it"):
            Accounts((), path)
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 7")
    with pytest.raises(UsageError, match="accounts of version 1, but is version 7"):
        Accounts((), path)


def test_refusals_can_be_sent_between_processes() -> None:
    refusal = Refusal(429, "no", param="n", code="c", kind="k", headers={"retry-after": "3"})
    twin = copy.copy(refusal)
    assert (twin.body(), twin.status, twin.headers) == (refusal.body(), 429, {"retry-after": "3"})
