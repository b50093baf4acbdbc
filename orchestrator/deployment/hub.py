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


@dataclass(eq=False, slots=True)
class _Replica:
    actor: Any
    tell: Callable[[Any], None]
    leases: set[str] = field(default_factory=set)
    asked: dict[int, asyncio.Future[Any]] = field(default_factory=dict)


class HubActor:
    """Hosts `Accounts` and tells replicas of each other's runs; each is known from when it attends until it dies.

    A replica that dies leaves leases behind: they are charged in full, for nobody knows what its requests had spent.

    Args:
        settings: what it is made of.

    Raises:
        UsageError: the file of the accounts cannot be used.
    """

    def __init__(self, settings: HubParts) -> None:
        self._settings = settings
        self._keys = {key.name for key in settings.keys or (Key.anyone(),)}
        self._accounts = Accounts(settings.keys, settings.accounts)
        self._replicas: dict[str, _Replica] = {}
        self._places: dict[Fingerprint, tuple[str, Place]] = {}
        self._homes: dict[str, str] = {}
        self._holders: dict[str, str] = {}
        self._numbers = itertools.count()
        verbs = ("attend", "lease", "settle", "claim", "began", "left", "ask", "answer")
        self._tray = Tray({verb: getattr(self, "_" + verb) for verb in verbs})

    async def settings(self) -> HubParts:
        """What it is made of."""
        return self._settings

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

    async def _attend(self, who: tuple[str, Any], tell: Callable[[Any], None]) -> None:
        """Know a replica until it dies; `tell` reaches it.

        Args:
            who: the replica's name, and the handle of its actor.
        """
        name, actor = who
        for other, replica in self._replicas.items():
            if replica.actor == actor:
                self._silence(other)  # it lost its line, and attends anew
        self._replicas[name] = _Replica(actor, tell)
        try:
            await _death(actor)
        finally:
            self._silence(name)
            leases = self._replicas.pop(name).leases
            for lease_id in leases:
                del self._holders[lease_id]
            await self._accounts.charge_in_full(leases)

    def _silence(self, name: str) -> None:
        """Nothing that is asked of this replica will be answered."""
        for future in self._replicas[name].asked.values():
            if not future.done():
                future.set_result(None)
        self._places = {print: found for print, found in self._places.items() if found[0] != name}
        self._homes = {id: home for id, home in self._homes.items() if home != name}

    async def _lease(self, asked: tuple[str, str, Usage, Budget]) -> Lease:
        name, key_name, least, most = asked
        if key_name not in self._keys:
            raise Refusal(401, "this key opens the server no more; use another", code="invalid_api_key")
        lease = await self._accounts.lease(key_name, least, most)
        if (replica := self._replicas.get(name)) is None:
            await self._accounts.settle(lease.id, Usage())
            raise unavailable("this server is joining its others; try again", "accounts_unavailable")
        replica.leases.add(lease.id)
        self._holders[lease.id] = name
        return lease

    async def _settle(self, ended: tuple[str, Usage]) -> None:
        lease_id, spent = ended
        if (replica := self._replicas.get(self._holders.pop(lease_id, ""))) is not None:
            replica.leases.discard(lease_id)
        await self._accounts.settle(lease_id, spent)

    async def _claim(self, claimed: tuple[str, Fingerprint, Place]) -> Place | None:
        """The run that the same request began on another replica; where there is none, others will find this one."""
        name, fingerprint, _ = claimed
        home, place = self._places.get(fingerprint, (name, None))
        if home != name:
            return place
        await self._began(claimed)
        return None

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
        """Put a question about a run to its replica; None where that is gone.

        Args:
            question: a verb, the run's id, its owner.
        """
        verb, id, owner = question
        replica = self._replicas.get(self._homes.get(id, ""))
        if replica is None:
            return None
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
