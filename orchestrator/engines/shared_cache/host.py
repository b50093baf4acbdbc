"""The host: one model, the sessions and requests that it computes for, and the memory of their caches."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ...engine import Advance, Advanced, Completion, Request, Watch
from ...errors import EngineRefused
from ...meter import Meter
from ...types import Usage
from ...workspace import Committed, Drawn, Opening, Said, Workspace
from ..chat_tokens import ChatTokens
from .admission import Admission
from .advancing import Advancing, Bounds, Spans, bring_up, read
from .batching import Batcher
from .completing import Completing
from .decoder import SharedDecoder
from .held import GIB, Held
from .session import Session
from .views import OpeningIds, Size

KEPT = 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is hosted.

    Args:
        bounds: what ends its workers.
        vocabulary: how many token ids it knows.
        memory: bytes of all caches.
        page_size: tokens of a page.
        meter: counts what is computed.
    """

    bounds: Bounds
    vocabulary: int
    memory: int
    page_size: int
    meter: Meter


class Host:
    """Serves sessions and requests of one model, all in one batch. Use it from one event loop.

    Args:
        decoder: the model.
        chat: its tokenizer.
        settings: how it is hosted.
        thread: of one thread, where it computes.
    """

    def __init__(
        self, decoder: SharedDecoder, chat: ChatTokens, settings: Settings, thread: ThreadPoolExecutor
    ) -> None:
        self._decoder, self._chat, self._settings = decoder, chat, settings
        self._batcher = Batcher(decoder, thread)
        self._admission = Admission(settings.memory)
        self._held: dict[str, Held] = {}
        self._openings: OrderedDict[Opening, tuple[OpeningIds, Size]] = OrderedDict()

    @property
    def taken(self) -> int:
        """Bytes of the caches that are held."""
        return self._admission.taken

    def opened(self, opening: Opening) -> int:
        """Tokens of an opening.

        Raises:
            EngineRefused: a view of it fills the context, or its room does not fit the memory.
        """
        _, size = self._measured(opening)
        if size.longest >= self._settings.bounds.context:
            raise EngineRefused(
                f"what a worker reads before it writes must fit the context ({self._settings.bounds.context} tokens), "
                f"got {size.longest}; shorten the prompt"
            )
        self._require_memory(
            self._capacity(opening),
            f"{opening.workers} workers that write {opening.room} tokens in all after {size.tokens}",
            "take fewer workers, lower max_tokens",
        )
        return size.tokens

    def holds(self, session: str, workspace: Workspace) -> bool:
        """Whether a session's cache holds everything that was computed for a workspace."""
        return session in self._held and self._held[session].session.holds(workspace)

    async def advance(self, request: Advance) -> Advanced:
        """Let workers write until the first of them ends.

        A call that fails or is cancelled lets go of the cache: what was computed is then not what is recorded.

        Raises:
            EngineUnavailable: a pass failed, or there is no memory for a cache.
            EngineRefused: the workspace cannot be, or its cache is not held and may not be made anew.
        """
        try:
            return await self._advanced(request)
        except BaseException:
            self.release(request.session)
            raise

    def release(self, session: str) -> None:
        """Let go of a session's cache."""
        if (held := self._held.pop(session, None)) is not None:
            self._admission.leave(held.place)

    async def complete(self, request: Request, ids: Sequence[int], watch: Watch | None) -> Completion:
        """Draw one completion.

        Raises:
            EngineUnavailable: a pass failed, or there is no memory for a cache.
            EngineRefused: a token that the model does not know, or a request that never fits the memory.
        """
        if not ids:
            raise EngineRefused("a prompt must hold a token to draw after, got none; add a message")
        self._require_known((*ids, *request.labels))
        capacity = len(ids) + request.sampling.max_tokens
        what = f"a request of {len(ids)} + {request.sampling.max_tokens} tokens"
        place = await self._admission.enter(self._require_memory(capacity, what, "lower max_tokens"))
        try:
            slab = self._decoder.slab(None, capacity)
            ends = self._settings.bounds.ends
            drawing = Completing(request, ids, slab, self._chat, ends=ends, watch=watch)
            return await drawing.run(self._batcher, self._settings.meter)
        finally:
            self._admission.leave(place)

    async def close(self) -> None:
        """End what is being computed and let go of everything."""
        await self._batcher.close()
        for session in list(self._held):
            self.release(session)

    async def _advanced(self, request: Advance) -> Advanced:
        space, meter = request.workspace, self._settings.meter
        held, opening = await self._ready(request)
        self._require_known(_tokens(held.session.news(space)))
        again = [*opening, *await bring_up(held.session, space, held)]
        advancing = Advancing(held.session, held, self._settings.bounds, request.samplings, request.seeds)
        drawn = await advancing.run()
        unread = space.unread
        if space.is_fresh:
            unread, advancing.spans, again = unread + self.opened(space.opening), [*again, *advancing.spans], []
        return Advanced(
            drawn.tokens,
            tuple(advancing.texts),
            tuple(advancing.finishes),
            meter.passes(advancing.spans, unread, advancing.drawn),
            meter.passes(again, sum(end - start for start, end in again), 0) if again else Usage(),
        )

    async def _ready(self, request: Advance) -> tuple[Held, Spans]:
        """The session that holds what was computed for the workspace, or a new one; and what opening it computed.

        Raises:
            EngineRefused: it is not held and may not be made anew.
        """
        space = request.workspace
        if self.holds(request.session, space):
            return self._held[request.session], []
        self.release(request.session)
        if not (space.is_fresh or request.may_rebuild):
            raise EngineRefused(
                "a session that goes on must be held, or be paid for to be made anew, but its cache was let go of "
                "meanwhile; run again"
            )
        self.opened(space.opening)
        ids, _ = self._measured(space.opening)
        each = self._decoder.shape.bytes_per_token
        commits = sum(isinstance(event, Committed) for event in space.events)
        capacity = min(self._capacity(space.opening, space.written, commits), self._settings.memory // each)
        place = await self._admission.enter(capacity * each)
        try:
            slab = self._decoder.slab(None if ids.is_chain else self._settings.page_size, capacity)
            session = Session(space.opening, ids, slab, self._chat)
        except BaseException:
            self._admission.leave(place)
            raise
        held = self._held[request.session] = Held(session, place, self._admission, self._batcher)
        spans: Spans = []
        for rows in session.reading():
            spans += await read(held, rows)
        return held, spans

    def _measured(self, opening: Opening) -> tuple[OpeningIds, Size]:
        if opening not in self._openings:
            ids = OpeningIds.of(opening, self._chat)
            self._openings[opening] = (ids, ids.size)
            if len(self._openings) > KEPT:
                self._openings.popitem(last=False)
        return self._openings[opening]

    def _capacity(self, opening: Opening, written: int = 0, commits: int = 0) -> int:
        """Tokens that a session's cache is made for: its room, or twice what was written; one page more a block."""
        ids, size = self._measured(opening)
        tokens = size.tokens + max(opening.room, 2 * written)
        if ids.is_chain:
            return tokens
        page = self._settings.page_size
        return (-(-tokens // page) + size.blocks + commits) * page

    def _require_memory(self, tokens: int, what: str, remedy: str) -> int:
        """The bytes of so many tokens, where there is memory for them."""
        size, most = tokens * self._decoder.shape.bytes_per_token, self._settings.memory
        if size > most:
            raise EngineRefused(
                f"the cache of {what} must fit the engine's memory ({most / GIB:.3g} GiB), but takes "
                f"{size / GIB:.3g} GiB; {remedy}, or raise cache_gib"
            )
        return size

    def _require_known(self, tokens: Iterable[int]) -> None:
        vocabulary = self._settings.vocabulary
        unknown = next((token for token in tokens if not 0 <= token < vocabulary), None)
        if unknown is not None:
            raise EngineRefused(
                f"token ids must be 0 to {vocabulary - 1} on this model, got {unknown}; "
                "encode texts with the engine that reads them"
            )


def _tokens(events: Iterable[object]) -> Iterable[int]:
    """All tokens that events put into blocks."""
    for event in events:
        if isinstance(event, Said):
            yield from event.tokens
        elif isinstance(event, Drawn):
            for tokens in event.tokens:
                yield from tokens
