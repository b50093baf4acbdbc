"""The hub: what all replicas of one server share: the accounts of the keys, and where each run is."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..budget import Budget
from ..cluster.mailbox import Answer, Call, Tray
from ..server.accounts import Accounts, Lease
from ..server.directory import Place
from ..server.keys import Key
from ..server.refusal import Refusal, unavailable
from ..server.runs import Fingerprint
from ..types import Usage

WATCH_S = 0.5
PATIENCE_S = 2.0
VERBS = ("attend", "lease", "withdraw", "settle", "claim", "began", "left", "ask", "everyone", "answer")
MOST_PLACES = 65_536
"""Runs whose replica is remembered; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class HubParts:
    """What a hub is made of.

    Args:
        keys: with their limits; only their digests travel.
        accounts: path of the file that keeps what they spent, where the hub runs; None forgets it with the hub.
    """

    keys: tuple[Key, ...] = ()
    accounts: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of one replica to another, on its way."""

    number: int
    verb: str
    id: str
    owner: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A question that nobody waits for any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Presence:
    """A replica, as it attends.

    Args:
        name: a new one each time it attends.
        process: what stays the same for as long as it lives.
        actor: its handle.
        leases: those that it holds; others of the same process were lost on the way.
    """

    name: str
    process: str
    actor: Any
    leases: frozenset[str] = frozenset()


@dataclass(eq=False, slots=True)
class _Replica:
    process: str
    tell: Callable[[Any], None]
    is_heard: bool = True
    leases: set[str] = field(default_factory=set)
    asked: dict[int, asyncio.Future[Any]] = field(default_factory=dict)


class HubActor:
    """Hosts `Accounts` and tells replicas of each other's runs; each is known from when it attends until it dies.

    A replica that dies leaves leases behind: they are charged in full, for nobody knows what its requests had spent.

    Args:
        parts: what it is made of.

    Raises:
        UsageError: the file of the accounts cannot be used.
    """

    def __init__(self, parts: HubParts) -> None:
        self._parts = parts
        self._keys = {key.name for key in parts.keys or (Key.anyone(),)}
        self._accounts = Accounts(parts.keys, parts.accounts)
        self._replicas: dict[str, _Replica] = {}
        self._places: dict[Fingerprint, tuple[str, Place]] = {}
        self._homes: dict[str, str] = {}
        self._holders: dict[str, str] = {}
        self._granting: dict[str, asyncio.Task[Lease]] = {}
        self._numbers = itertools.count()
        self._tray = Tray({verb: getattr(self, "_" + verb) for verb in VERBS})

    async def parts(self) -> HubParts:
        """What it is made of."""
        return self._parts

    async def spent(self, key_name: str) -> Usage:
        """What a key has spent."""
        return await self._accounts.spent(key_name)

    async def post(self, client: str, calls: list[Call], cancelled: list[int]) -> None:
        """Start calls of a replica, and cancel earlier ones."""
        self._tray.post(client, calls, cancelled)

    async def collect(self, client: str) -> list[Answer]:
        """The answers that wait for a replica; at least one."""
        return await self._tray.collect(client)

    async def close(self) -> None:
        """Write what was spent."""
        await self._accounts.close()

    async def _attend(self, who: Presence, tell: Callable[[Any], None]) -> None:
        """Know a replica until it dies; `tell` reaches it."""
        lost = set[str]()
        for name, replica in self._replicas.items():
            if replica.process == who.process:
                self._silence(name)  # it lost its line, and attends anew
                lost |= replica.leases - who.leases
        await self._charge(lost)
        self._replicas[who.name] = _Replica(who.process, tell)
        try:
            await _death(who.actor)
        finally:
            self._silence(who.name)
            await self._charge(self._replicas.pop(who.name).leases)

    def _silence(self, name: str) -> None:
        """Nothing that is asked of this replica will be answered."""
        self._replicas[name].is_heard = False
        for future in self._replicas[name].asked.values():
            if not future.done():
                future.set_result(None)
        self._places = {print: found for print, found in self._places.items() if found[0] != name}
        self._homes = {id: home for id, home in self._homes.items() if home != name}

    async def _charge(self, leases: set[str]) -> None:
        for lease_id in leases:
            self._holders.pop(lease_id, None)
        await self._accounts.charge_in_full(leases)

    async def _lease(self, asked: tuple[str, str, str, Usage, Budget]) -> Lease:
        """Let a request begin, unless it is withdrawn.

        Args:
            asked: the replica, a ticket to withdraw it by, and what `Accounts.lease` takes.
        """
        name, ticket, key_name, least, most = asked
        granting = self._granting[ticket] = asyncio.ensure_future(self._grant(name, key_name, least, most))
        try:
            return await granting
        except asyncio.CancelledError:
            raise unavailable("this request was withdrawn", "withdrawn") from None
        finally:
            del self._granting[ticket]

    async def _withdraw(self, ticket: str) -> None:
        if (granting := self._granting.get(ticket)) is not None:
            granting.cancel()

    async def _grant(self, name: str, key_name: str, least: Usage, most: Budget) -> Lease:
        if key_name not in self._keys:
            raise Refusal(401, "this key opens the server no more; use another", code="invalid_api_key")
        lease = await self._accounts.lease(key_name, least, most)
        if (replica := self._replicas.get(name)) is None:
            self._accounts.settle(lease.id, Usage())
            raise unavailable("this server is joining its others; try again", "accounts_unavailable")
        replica.leases.add(lease.id)
        self._holders[lease.id] = name
        return lease

    async def _settle(self, ended: tuple[str, Usage]) -> None:
        lease_id, spent = ended
        if (replica := self._replicas.get(self._holders.pop(lease_id, ""))) is not None:
            replica.leases.discard(lease_id)
        self._accounts.settle(lease_id, spent)

    async def _claim(self, claimed: tuple[str, Fingerprint, Place]) -> Place | None:
        """The run that the same request began on another replica; where there is none, others will find this one."""
        name, fingerprint, _ = claimed
        if (found := self._places.get(fingerprint)) is None:
            await self._began(claimed)
            return None
        home, place = found
        return place if home != name else None

    async def _began(self, begun: tuple[str, Fingerprint, Place]) -> None:
        name, fingerprint, place = begun
        if name not in self._replicas:
            return
        self._places[fingerprint] = name, place
        self._homes[place.id] = name
        _bound(self._places)
        _bound(self._homes)

    async def _left(self, gone: tuple[Fingerprint, str]) -> None:
        fingerprint, id = gone
        if (found := self._places.get(fingerprint)) is not None and found[1].id == id:
            del self._places[fingerprint]

    async def _ask(self, question: tuple[str, str, str]) -> Any:
        """What the replica of a run answers about it; None where it is gone.

        Args:
            question: a verb, the run's id, its owner.
        """
        verb, id, owner = question
        replica = self._replicas.get(self._homes.get(id, ""))
        return None if replica is None else await self._put(replica, verb, id, owner)

    async def _everyone(self, verb: str) -> dict[str, Any]:
        """What each replica answers, by its process; those that take too long are left out."""
        heard = [replica for replica in self._replicas.values() if replica.is_heard]
        asked = {asyncio.ensure_future(self._put(replica, verb)): replica.process for replica in heard}
        done, late = await asyncio.wait(asked, timeout=PATIENCE_S) if asked else (set(), set())
        for task in late:
            task.cancel()
        return {asked[task]: task.result() for task in done if not task.exception()}

    async def _put(self, replica: _Replica, verb: str, id: str = "", owner: str = "") -> Any:
        number = next(self._numbers)
        future = replica.asked[number] = asyncio.get_running_loop().create_future()
        replica.tell(Asked(number, verb, id, owner))
        try:
            return await future
        except asyncio.CancelledError:
            replica.tell(Dropped(number))
            raise
        finally:
            replica.asked.pop(number, None)

    async def _answer(self, answered: tuple[str, int, Any, Exception | None]) -> None:
        name, number, value, failure = answered
        replica = self._replicas.get(name)
        future = replica.asked.get(number) if replica is not None else None
        if future is None or future.done():
            return
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(value)


async def _death(actor: Any) -> None:
    """Wait until an actor has died; one that is only slow, or out of reach for a while, has not."""
    import ray

    while True:
        try:
            await actor.__ray_ready__.remote()
        except ray.exceptions.ActorUnavailableError:
            pass
        except ray.exceptions.RayActorError:
            return
        await asyncio.sleep(WATCH_S)


def _bound(places: dict[Any, Any]) -> None:
    while len(places) > MOST_PLACES:
        places.pop(next(iter(places)))
