"""One draw of an engine: how it is made, and what it must keep to."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import TypeAdapter

from .canonical import DIGEST_BYTES, canonical_json
from .engine import Completion, Engine, Reading, Request, Sampling, StreamingEngine, Watch
from .errors import EngineError, EngineRefused, EngineUnavailable
from .images import Image
from .telling import Telling
from .types import Candidate, Query, Usage

if TYPE_CHECKING:
    from .verifier import Verifier

T = TypeVar("T")
COMPLETION = TypeAdapter(Completion)
NO_CALLS = b',"calls":[]}'
ONE_TOKEN = Sampling(temperature=0.0, max_tokens=1)


@dataclass(frozen=True, slots=True)
class Ask:
    """What to draw: `n` completions of a query, or of a candidate that stands after it.

    Args:
        query: what is asked.
        sampling: how to draw.
        n: draws, 1 to 4096.
        engine: the engine's name in the pipeline.
        after: the partial candidate to continue; None starts afresh.
        then: the verifier that will judge each draw; its cost is set aside with the draw's.
        images: shown after the words of the query's last message, and after its own images.
        salt: see `Prompt`; two asks that differ in it alone share their draws.
        watch: told of each draw's progress, where the engine streams; a draw that is found in the journal, or is being
            made for another, tells nothing before it ends.
    """

    query: Query
    sampling: Sampling
    n: int = 1
    engine: str = "generator"
    after: Candidate | None = None
    then: Verifier | None = None
    images: tuple[Image, ...] = ()
    salt: str = ""
    watch: Watch | None = field(default=None, compare=False, repr=False)


class Attempts:
    """The attempts at one effect. Where they all failed, nothing is due if each was free, else the bound, once."""

    __slots__ = ("_is_paid", "_is_tried", "bound")

    def __init__(self, bound: Usage) -> None:
        self._is_tried = self._is_paid = False
        self.bound = bound

    async def attempt(self, work: Awaitable[T]) -> T:
        """Await one attempt; whether it cost anything is known where it fails for free."""
        paid_before, self._is_tried, self._is_paid = self._is_paid, True, True
        try:
            return await work
        except EngineUnavailable as error:
            self._is_paid = paid_before or not error.is_free
            raise

    def due(self, error: BaseException) -> Usage:
        """What the effect that ended in `error` is charged; one that was never tried here, by what the error says."""
        if self._is_tried:
            return self.bound if self._is_paid else Usage()
        is_free = not isinstance(error, EngineError) or (isinstance(error, EngineUnavailable) and error.is_free)
        return Usage() if is_free else self.bound


class Draw(Attempts):
    """One draw: how to make it, and what it made, so that its own value need not be read back."""

    __slots__ = ("_made", "_request", "_source", "_telling", "_value", "name")

    def __init__(self, source: Engine, request: Request, bound: Usage, name: str, watch: Watch | None = None) -> None:
        super().__init__(bound)
        self._source = source
        self._request = request
        self._telling = Telling(watch) if watch is not None and source.capabilities.streams else None
        self._made: Completion | None = None
        self._value = b""
        self.name = name

    async def call(self) -> tuple[bytes, Usage]:
        """Ask the engine: the completion's record, and what it cost."""
        made = await self.attempt(self._completed())
        usage = within(made.usage, self.bound, self.name)
        self._made, self._value = made, record_of(made)
        return self._value, usage

    async def _completed(self) -> Completion:
        if self._telling is None:
            return await self._source.complete(self._request)
        made = await cast(StreamingEngine, self._source).complete(self._request, self._telling.anew())
        self._telling.check(made.usage.completion_tokens)
        return made

    def known(self, value: bytes) -> Completion:
        """The completion whose record is `value`."""
        if self._made is not None and value == self._value:
            return self._made
        return COMPLETION.validate_json(value)


def record_of(made: Completion | Reading) -> bytes:
    """What the journal keeps; of calls nothing where no tool is called."""
    record = canonical_json(made)
    return record[: -len(NO_CALLS)] + b"}" if record.endswith(NO_CALLS) else record


def draw_key(content: bytes, index: int) -> bytes:
    """The key of one draw of what `content` names."""
    return hashlib.blake2b(content + index.to_bytes(8, "big"), digest_size=DIGEST_BYTES).digest()


def seed_of(key: bytes) -> int:
    """The seed of the draw at `key`, 53 bits: whole in JSON everywhere."""
    return int.from_bytes(key[:8], "big") >> 11


def within(usage: Usage, bound: Usage, engine: str) -> Usage:
    """`usage`, unless the engine spent more than it was allowed.

    Raises:
        EngineRefused: it did.
    """
    if usage.completion_tokens > bound.completion_tokens or usage.prompt_tokens > bound.prompt_tokens:
        raise EngineRefused(
            f"engine {engine!r} must keep to {bound.prompt_tokens} prompt and {bound.completion_tokens} completion "
            f"tokens, but reports {usage.prompt_tokens} and {usage.completion_tokens}; its counts cannot be trusted"
        )
    return usage
