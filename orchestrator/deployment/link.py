"""A replica's line to the hub: its accounts and its directory, as if they were in this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
import uuid
from typing import Any

from ..budget import Budget
from ..cluster.mailbox import Mailbox
from ..errors import EngineUnavailable, UsageError
from ..runtime import Done
from ..server.accounts import Lease
from ..server.directory import Place
from ..server.metrics import Metrics
from ..server.refusal import Refusal, unavailable
from ..server.reports import report_of
from ..server.runs import Fingerprint, Runs, end
from ..types import Usage
from .hub import Asked, Dropped, HubActor, HubParts, Presence
from .together import together

LOGGER = logging.getLogger("ponder.server")
NAMESPACE = "ponder"
AGAIN_S = 0.25
WRONG = re.compile(r"UsageError: (.+)")
"""What Ray tells of an actor that refused its arguments."""
JOIN_S = 30.0
LEAVE_S = 2.0
ALONE_S = 10.0
REPORT_S = 5.0
AWAY = "accounts_unavailable"


class Link:
    """A line to the hub, which is made where there is none, and found again when it was replaced.

    It is the `Directory` of this replica. Use it from one event loop.

    Args:
        name: of the hub.
        parts: what the hub is to be made of.
        resources: what the hub takes of the node it runs on, in Ray's words.
    """

    def __init__(self, name: str, parts: HubParts, resources: dict[str, float] | None = None) -> None:
        self._hub = name
        self._parts = parts
        self._resources = resources or {}
        self._process = uuid.uuid4().hex
        self.me = ""
        self.leases: set[str] = set()
        self._box: Mailbox | None = None
        self._runs, self._metrics = Runs(0), Metrics()
        self._attending: asyncio.Task[None] | None = None
        self._answering: dict[int, asyncio.Task[None]] = {}
        self._telling: set[asyncio.Future[Any]] = set()

    async def open(self, runs: Runs, metrics: Metrics) -> None:
        """Join the hub.

        Raises:
            EngineUnavailable: it does not start.
        """
        import ray

        self._runs, self._metrics = runs, metrics
        actor = await hub_of(self._hub, self._parts, self._resources)
        here = ray.get_runtime_context().current_actor
        self._attending = asyncio.create_task(self._attend(actor, here))
        await asyncio.sleep(0)  # until it attends

    async def close(self) -> None:
        """Leave the hub, once the runs that end here have told it what they spent."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                while len(self._runs) or self._telling:
                    await asyncio.sleep(0.01)
        for task in self._answering.values():
            task.cancel()
        if self._attending is not None:
            await end(self._attending)

    async def ask(self, verb: str, argument: Any) -> Any:
        """What the hub answers.

        Raises:
            Refusal: 503 while there is no hub, or what the hub refuses.
        """
        import ray

        if self._box is None:
            raise _away()
        try:
            return await self._box.call(verb, argument)
        except ray.exceptions.RayError as error:
            raise _away() from error

    def tell(self, verb: str, argument: Any, *, insists: bool = False) -> asyncio.Future[None]:
        """Let the hub know, and do not wait; if the hub is away, as soon as there is one again where this `insists`."""
        told = asyncio.ensure_future(self._told(verb, argument, insists=insists))
        self._telling.add(told)
        told.add_done_callback(self._telling.discard)
        return told

    async def claim(self, fingerprint: Fingerprint, place: Place) -> Place | None:
        found: Place | None = await self.ask("claim", (self.me, fingerprint, place))
        return found

    def began(self, fingerprint: Fingerprint, place: Place) -> None:
        self.tell("began", (self.me, fingerprint, place))

    def left(self, fingerprint: Fingerprint, id: str) -> None:
        self.tell("left", (fingerprint, id))

    async def outcome(self, id: str, owner: str) -> Done | None:
        try:
            done: Done | None = await self.ask("ask", ("outcome", id, owner))
        except Refusal as refusal:
            if refusal.code == AWAY:
                return None
            raise
        return done

    async def report(self, id: str, owner: str) -> dict[str, Any] | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REPORT_S):
                told: dict[str, Any] | None = await self.ask("ask", ("report", id, owner))
                return told
        return None

    async def _told(self, verb: str, argument: Any, *, insists: bool) -> None:
        while True:
            try:
                await self.ask(verb, argument)
                return
            except Exception:
                if not insists:
                    return
            await asyncio.sleep(AGAIN_S)

    async def exposition(self, metrics: Metrics, accept: str) -> tuple[bytes, str]:
        told: dict[str, bytes] = await self.ask("everyone", "count")
        return together({process[:8]: text for process, text in sorted(told.items())})

    async def _attend(self, actor: Any, here: Any) -> None:
        """Be known to the hub for as long as this replica lives, whatever becomes of the hub."""
        while True:
            self.me = uuid.uuid4().hex
            box = self._box = Mailbox(actor, self.me)
            presence = Presence(self.me, self._process, here, frozenset(self.leases))
            attended = asyncio.ensure_future(box.call("attend", presence, self._heard))
            self._runs.announce()
            try:
                await attended
            except Exception as error:
                LOGGER.warning("the hub is away: %s", str(error).partition("\n")[0])
            finally:
                attended.cancel()
                box.close()
            self._box = None
            actor = await self._found()

    async def _found(self) -> Any:
        """The hub, once there is one again; one that nobody replaces for a while is made anew."""
        import ray

        alone_at = time.monotonic() + ALONE_S
        while True:
            await asyncio.sleep(AGAIN_S)
            with contextlib.suppress(Exception):
                async with asyncio.timeout(JOIN_S):
                    if time.monotonic() < alone_at:
                        actor = await asyncio.to_thread(ray.get_actor, self._hub, NAMESPACE)
                    else:
                        actor = _made(self._hub, self._parts, self._resources)
                    await actor.parts.remote()
                    return actor

    def _heard(self, message: Asked | Dropped) -> None:
        """Another replica asks about a run of this one, or asks no more."""
        if isinstance(message, Dropped):
            if (task := self._answering.get(message.number)) is not None:
                task.cancel()
            return
        task = self._answering[message.number] = asyncio.ensure_future(self._answered(message))
        task.add_done_callback(lambda _: self._answering.pop(message.number, None))

    async def _answered(self, asked: Asked) -> None:
        value: Any = None
        failure: Exception | None = None
        try:
            value = await self._told_of(asked)
        except Exception as error:
            failure = error
        self.tell("answer", (self.me, asked.number, value, failure))

    async def _told_of(self, asked: Asked) -> Any:
        if asked.verb == "count":
            return self._metrics.exposition()[0]
        return await self._outcome(asked) if asked.verb == "outcome" else self._report(asked)

    async def _outcome(self, asked: Asked) -> Done | None:
        """What a run of this replica returns; None where it was cancelled or is known no more."""
        work = self._runs.find(asked.id, asked.owner)
        if work is None or work.task is None or work.is_elsewhere:
            return None
        task = work.task
        with self._runs.attended(work):
            await asyncio.wait([task])
            return None if task.cancelled() else task.result()

    def _report(self, asked: Asked) -> dict[str, Any] | None:
        work = self._runs.find(asked.id, asked.owner)
        return None if work is None or work.is_elsewhere else report_of(work)


class RemoteAccounts:
    """The accounts of the hub, as a replica asks them.

    Args:
        link: to the hub.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    async def lease(self, key_name: str, least: Usage, most: Budget) -> Lease:
        """Let a request begin; see `Accounts.lease`. A lease that nobody waits for any more is given back."""
        ticket = uuid.uuid4().hex
        wanted = (self._link.me, ticket, key_name, least, most)
        asked = asyncio.ensure_future(self._link.ask("lease", wanted))
        try:
            lease: Lease = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(self._give_back)
            self._link.tell("withdraw", ticket)
            raise
        self._link.leases.add(lease.id)
        return lease

    def settle(self, lease_id: str, spent: Usage) -> None:
        """End a lease by what its request has spent. The hub is told soon; until then it is held."""
        told = self._link.tell("settle", (lease_id, spent), insists=True)
        told.add_done_callback(lambda _: self._link.leases.discard(lease_id))

    async def close(self) -> None:
        """Nothing: the hub keeps the accounts."""

    def _give_back(self, asked: asyncio.Future[Lease]) -> None:
        if not asked.cancelled() and asked.exception() is None:
            self._link.tell("settle", (asked.result().id, Usage()), insists=True)


def _away() -> Refusal:
    return unavailable("the server's accounts are away; try again", AWAY)


async def hub_of(name: str, parts: HubParts, resources: dict[str, float]) -> Any:
    """The hub of that name, made of `parts`; one that is made of others is replaced.

    Raises:
        UsageError: the file of its accounts cannot be used.
        EngineUnavailable: it does not start.
    """
    import ray

    lost: Exception = TimeoutError(f"no node has {resources}" if resources else "it takes too long")
    is_replaced = False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(JOIN_S):
            while True:
                actor = _made(name, parts, resources)
                try:
                    if await actor.parts.remote() == parts:
                        return actor
                    await actor.close.remote()
                    ray.kill(actor)
                    is_replaced = True
                except ray.exceptions.RayError as error:
                    lost = error
                    if not is_replaced and (why := WRONG.search(str(error))) is not None:
                        raise UsageError(why[1]) from None  # the file of one that was replaced may not be free yet
                await asyncio.sleep(AGAIN_S)
    raise EngineUnavailable(f"the hub {name!r} must start, but: {lost}")


def _made(name: str, parts: HubParts, resources: dict[str, float]) -> Any:
    """The hub of that name, made of `parts` where there is none."""
    import ray

    actor = ray.remote(max_restarts=-1, max_task_retries=0, max_concurrency=10_000)(HubActor)
    place = {"name": name, "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True}
    return actor.options(**place, num_cpus=0, resources=resources).remote(parts)
