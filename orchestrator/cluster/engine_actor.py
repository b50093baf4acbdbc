"""Engines as Ray actors, and the engine that speaks to their replicas."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import Sequence
from typing import Any, cast

from ..denoising import Denoised, Look, Passage, Seen
from ..engine import (
    Advance,
    Advanced,
    Capabilities,
    Completion,
    EngineSpec,
    Facts,
    Prompt,
    Reading,
    Request,
    SharedEngine,
    Watch,
)
from ..errors import EngineUnavailable
from ..meter import Meter
from ..workspace import Opening, Workspace
from .mailbox import Answer, Call, Mailbox, Tray

QUEUE_GAP = 32
PING_S = 2.0
MOST_COUNTS = 65_536
MOST_COUNTINGS = 4
VERBS = ("complete", "read", "count", "encode", "opened", "advance", "release", "denoise", "look")


class EngineActor:
    """Hosts one replica of an engine; Ray restarts it, and it starts its engine anew, when its process dies."""

    def __init__(self, spec: EngineSpec) -> None:
        self._engine = spec.open()
        self._starting = asyncio.Lock()
        self._is_started = False
        handlers = {verb: getattr(self._engine, verb) for verb in VERBS if hasattr(self._engine, verb)}
        self._tray = Tray({**handlers, "holds": self._holds})

    async def facts(self) -> Facts:
        """Start the engine if need be, and say what it is."""
        if not self._is_started:
            async with self._starting:
                if not self._is_started:
                    await self._engine.start()
                    self._is_started = True
        return Facts(self._engine.identity, self._engine.capabilities, self._engine.meter)

    async def post(self, client: str, calls: list[Call], cancelled: list[int]) -> None:
        """Start calls of the engine's verbs, and cancel earlier ones."""
        await self.facts()
        self._tray.post(client, calls, cancelled)

    async def collect(self, client: str) -> list[Answer]:
        """The answers that wait for `client`; at least one."""
        return await self._tray.collect(client)

    async def close(self) -> None:
        """Stop the engine."""
        await self._engine.close()

    async def _holds(self, asked: tuple[str, Workspace]) -> bool:
        return await cast(SharedEngine, self._engine).holds(*asked)


class Replicas:
    """An `Engine` over the replicas of one: prefix-affine, around the dead, never waiting without end.

    A prompt goes to the replica its beginning hashes to, whose prefix cache holds it, unless that one is down or
    has 32 calls more in flight than the idlest. Workers that share a cache stay with one replica, by their session.
    Latents and images go to the idlest, those of one call together.

    Args:
        actors: handles of `EngineActor`, one a replica.
        facts: what they are.
        start_timeout_s: how long a replica that died may take to come back.
        call_timeout_s: how long one call may take.
    """

    def __init__(
        self, actors: Sequence[Any], facts: Facts, start_timeout_s: float = 300.0, call_timeout_s: float = 3600.0
    ) -> None:
        self._actors = list(actors)
        client = uuid.uuid4().hex
        self._boxes = [Mailbox(actor, client) for actor in self._actors]
        self._facts = facts
        self._start_timeout_s = start_timeout_s
        self._call_timeout_s = call_timeout_s
        self._in_flight = [0] * len(self._actors)
        self._recovering: dict[int, asyncio.Task[None]] = {}
        self._counts: dict[Prompt, int] = {}
        self._encoded: dict[str, tuple[int, ...]] = {}
        self._opened: dict[Opening, int] = {}

    @property
    def identity(self) -> str:
        return self._facts.identity

    @property
    def capabilities(self) -> Capabilities:
        return self._facts.capabilities

    @property
    def meter(self) -> Meter:
        return self._facts.meter

    async def start(self) -> None:
        """Nothing: the cluster starts the replicas."""

    async def close(self) -> None:
        """Stop watching; the cluster stops the replicas."""
        for task in self._recovering.values():
            task.cancel()
        for box in self._boxes:
            box.close()

    async def count(self, prompt: Prompt) -> int:
        """Tokens of the rendered prompt."""
        root = Prompt(prompt.messages, images=prompt.images, tools=prompt.tools)
        if root not in self._counts:
            if len(self._counts) >= MOST_COUNTS:
                self._counts.clear()
            self._counts[root] = await self._counted(root)
        if not (prompt.tokens or prompt.text):
            return self._counts[root]
        if prompt.tokens:
            return self._counts[root] + len(prompt.tokens)
        return await self._counted(prompt)

    async def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text that continues something."""
        if text not in self._encoded:
            if len(self._encoded) >= MOST_COUNTS:
                self._encoded.clear()
            self._encoded[text] = await self._free("encode", text, b"")
        return self._encoded[text]

    async def _counted(self, prompt: Prompt) -> int:
        counted: int = await self._free("count", prompt, _beginning(prompt))
        return counted

    async def _free(self, verb: str, argument: Any, home: bytes) -> Any:
        """Ask again while replicas die: the tokenizer costs nothing."""
        for _ in range(MOST_COUNTINGS):
            try:
                return await self._call(self._route(home), verb, argument)
            except EngineUnavailable as error:
                lost = error
        raise lost

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        """Draw one completion."""
        index = self._route(_beginning(request.prompt))
        completion: Completion = await self._call(index, "complete", request, watch)
        return completion

    async def read(self, prompt: Prompt) -> Reading:
        """Read a prompt with a reward model."""
        reading: Reading = await self._call(self._route(_beginning(prompt)), "read", prompt)
        return reading

    async def denoise(self, passages: Sequence[Passage]) -> list[Denoised]:
        """Where each passage ends."""
        ended: list[Denoised] = await self._call(self._idlest(self._up()), "denoise", passages)
        return ended

    async def look(self, asked: Look) -> list[Seen]:
        """What a reward model of images tells of each image."""
        seen: list[Seen] = await self._call(self._idlest(self._up()), "look", asked)
        return seen

    async def opened(self, opening: Opening) -> int:
        """Tokens of an opening."""
        if opening not in self._opened:
            if len(self._opened) >= MOST_COUNTS:
                self._opened.clear()
            self._opened[opening] = await self._free("opened", opening, _beginning(Prompt(opening.messages)))
        return self._opened[opening]

    async def holds(self, session: str, workspace: Workspace) -> bool:
        """Whether the session's replica holds everything that was computed for the workspace."""
        try:
            held: bool = await self._call(self._home(session), "holds", (session, workspace))
        except EngineUnavailable:
            return False  # its replica died, and the cache with it
        return held

    async def advance(self, request: Advance) -> Advanced:
        """Let workers write until the first of them ends."""
        advanced: Advanced = await self._call(self._home(request.session), "advance", request)
        return advanced

    async def release(self, session: str) -> None:
        """Let go of a session's cache; that of a replica that died is let go already."""
        home = self._home(session)
        if home not in self._recovering:
            with contextlib.suppress(EngineUnavailable):
                await self._call(home, "release", session)

    async def _call(self, index: int, verb: str, argument: Any, watch: Watch | None = None) -> Any:
        import ray

        if (recovering := self._recovering.get(index)) is not None:
            await asyncio.shield(recovering)
        self._in_flight[index] += 1
        try:
            async with asyncio.timeout(self._call_timeout_s):
                return await self._boxes[index].call(verb, argument, watch)
        except TimeoutError:
            limit = f"{self.identity} must answer within {self._call_timeout_s:g} s, but did not"
            raise EngineUnavailable(limit) from None
        except ray.exceptions.RayActorError as error:
            self._recover(index)
            raise EngineUnavailable(f"a replica of {self.identity} died: {str(error).splitlines()[0]}") from None
        finally:
            self._in_flight[index] -= 1

    def _home(self, session: str) -> int:
        return _hashed(session.encode()) % len(self._actors)

    def _route(self, beginning: bytes) -> int:
        up = self._up()
        home, idlest = up[_hashed(beginning) % len(up)], self._idlest(up)
        return idlest if self._in_flight[home] - self._in_flight[idlest] > QUEUE_GAP else home

    def _up(self) -> list[int]:
        """The replicas that are up; all of them where none is."""
        every = range(len(self._actors))
        return [i for i in every if i not in self._recovering] or list(every)

    def _idlest(self, up: Sequence[int]) -> int:
        return min(up, key=lambda i: (self._in_flight[i], i))

    def _recover(self, index: int) -> None:
        if index not in self._recovering:
            task = self._recovering[index] = asyncio.ensure_future(self._wait_until_up(index))
            task.add_done_callback(lambda _: self._recovering.pop(index, None))

    async def _wait_until_up(self, index: int) -> None:
        """Wait for Ray to restart the actor and for its engine to start."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._start_timeout_s):
                while True:
                    try:
                        await self._actors[index].facts.remote()
                        return
                    except Exception:
                        await asyncio.sleep(PING_S)


def _beginning(prompt: Prompt) -> bytes:
    """What stands at the beginning of a prompt, and in the prefix cache of the replica that has read it."""
    return "".join(message.content for message in prompt.messages).encode()


def _hashed(name: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")
