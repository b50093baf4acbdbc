"""Workers that share a cache, as a strategy drives them: what they write is paid, recorded and let go of."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Protocol, cast, runtime_checkable

from pydantic import TypeAdapter

from .budget import Reservation
from .canonical import canonical_json, digest
from .draw import Attempts, seed_of, within
from .effects import Effects
from .engine import Advance, Advanced, Sampling, SharedEngine
from .errors import BudgetExceeded, EngineError, UsageError
from .meter import Meter
from .plan import SHARING
from .types import Finish, Usage
from .workspace import Committed, Drawn, Left, Opening, Said, Workspace

ADVANCED = TypeAdapter(Advanced)


@runtime_checkable
class Watching(Protocol):
    """A gate that wants to know of calls that it does not hold back, too."""

    def beside(self) -> AbstractAsyncContextManager[object]:
        """What such a call holds while it is in flight."""


class Sharing:
    """A workspace that grows: its workers write, are told things, finish steps, leave.

    Made by `Context.share`; use it as an asynchronous context manager, so that the engine lets go of the cache. The
    journal holds each advance, so that a run that is resumed draws nothing twice; the cache is then made anew, once,
    which the account pays for and the answer's own cost leaves out.
    """

    def __init__(self, effects: Effects, opening: Opening, engine: str) -> None:
        self._effects = effects
        self._name = engine
        self._session = uuid.uuid4().hex
        self.workspace = Workspace.opened(opening)

    async def __aenter__(self) -> Sharing:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._engine.release(self._session)

    def say(self, worker: int, tokens: tuple[int, ...]) -> None:
        """Put tokens into a worker's block."""
        if tokens:
            self.workspace = self.workspace.then(Said(worker, tokens))

    def commit(self, worker: int, then: tuple[int, ...]) -> None:
        """Make a worker's block history, and open its next one with the words `then`.

        Raises:
            UsageError: there are no such words, so that nothing would precede its next token.
        """
        if not then:
            raise UsageError(f"worker {worker}'s next block must open with words, got none; say its name")
        self.workspace = self.workspace.then(Committed(worker), Said(worker, then))

    def leave(self, worker: int) -> None:
        """Take a worker's block out of all views; it writes no more."""
        self.workspace = self.workspace.then(Left(worker))

    async def advance(self, samplings: Sequence[Sampling | None], leaving: Usage = Usage()) -> Advanced | None:
        """Let workers write until the first of them ends; None where the budget or the engine ends this.

        Args:
            samplings: how each draws; None for one that rests. At least one draws.
            leaving: what the budget must still hold afterwards, for what is to come when it ends this.
        """
        effects, run = self._effects, self._effects._run
        request = Advance(self._session, self.workspace, tuple(samplings), self._seeds)
        key = digest("advance", self._place, self.workspace.id, request.samplings)
        await effects._check([(key, 1)])
        try:
            async with run.in_time():
                bound = await self._bound(request)
            held = await run.ledger.reserve(bound + leaving)
        except BudgetExceeded as error:
            run.stop(error)
            return None
        except EngineError as error:
            run.fail(error)
            return None
        (done,) = await effects._collect([asyncio.create_task(self._drawn(request, key, bound, held))])
        if done is not None:
            ended = tuple(i for i, finish in enumerate(done.finishes) if finish is Finish.EOS)
            self.workspace = self.workspace.then(Drawn(done.tokens, ended))
        return done

    async def _drawn(self, request: Advance, key: bytes, bound: Usage, held: Reservation) -> Advanced | None:
        """One advance, paid and recorded; None where it is lost."""
        effects, run = self._effects, self._effects._run
        advancing = _Advancing(self._engine, request, bound, self._name)
        try:
            value = await run.journal.draw(key, advancing.most, advancing.call, self._gate, run.account)
            done = ADVANCED.validate_json(value)
        except BaseException as error:
            effects._lost(error, held, advancing)
            return None
        held.settle(done.usage)
        return done

    @property
    def _gate(self) -> AbstractAsyncContextManager[object]:
        """What holds the next advance back: nothing once there is a cache, whose memory others may be waiting for."""
        gate = self._effects._run.gates[self._name]
        if self.workspace.is_fresh:
            return gate
        return gate.beside() if isinstance(gate, Watching) else nullcontext()

    async def _bound(self, request: Advance) -> Usage:
        """The most that an advance may cost beside making the cache anew."""
        return most_of(request, await self._engine.opened(request.workspace.opening), self._engine.meter)

    @cached_property
    def _engine(self) -> SharedEngine:
        """The engine.

        Raises:
            UsageError: it has no cache to share.
        """
        engine = self._effects._engine(self._name)
        if not engine.capabilities.shared_cache:
            raise UsageError(
                f"engine {self._name!r} must share its cache between workers, but {engine.identity} does not; {SHARING}"
            )
        return cast(SharedEngine, engine)

    @cached_property
    def _place(self) -> bytes:
        run = self._effects._run
        return digest(self._engine.identity, self._effects.path, run.seed, run.replicate)

    @cached_property
    def _seeds(self) -> tuple[int, ...]:
        opening = self.workspace.opening
        names = [digest("worker", self._place, opening, worker) for worker in range(opening.workers)]
        return tuple(map(seed_of, names))


def most_of(request: Advance, opened: int, meter: Meter) -> Usage:
    """The most that an advance may cost after an opening of so many tokens, its cache being held."""
    space = request.workspace
    first = opened if space.is_fresh else 0
    drawn = sum(sampling.max_tokens for sampling in request.samplings if sampling is not None)
    after = opened + space.written + drawn
    computed = first + space.waiting + drawn + space.opening.workers
    return meter.passes([(after, after + computed)], first + space.unread, drawn)


class _Advancing(Attempts):
    """One advance: how it is made, and what it must keep to. Whether its cache is held is asked before each attempt."""

    __slots__ = ("_engine", "_name", "_rebuilding", "_request")

    def __init__(self, engine: SharedEngine, request: Advance, bound: Usage, name: str) -> None:
        super().__init__(bound)
        self._engine, self._request, self._name = engine, request, name
        self._rebuilding = Usage()

    async def most(self) -> Usage:
        """The most that the next attempt may cost: more where the cache must be made anew."""
        space, engine = self._request.workspace, self._engine
        self._rebuilding = Usage()
        if not (space.is_fresh or await engine.holds(self._request.session, space)):
            before = await engine.opened(space.opening) + space.written - space.unread
            self._rebuilding = engine.meter.passes([(before, 2 * before)], before, 0)
        return self.bound + self._rebuilding

    async def call(self) -> tuple[bytes, Usage]:
        """Advance, and make the cache anew where that was paid for."""
        request = replace(self._request, may_rebuild=self._rebuilding != Usage())
        made = await self.attempt(self._engine.advance(request))
        usage = within(made.usage, self.bound, self._name) + within(made.rebuilding, self._rebuilding, self._name)
        return canonical_json(replace(made, rebuilding=Usage())), usage
