"""What can go wrong with an engine, at will and repeatably."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..canonical import digest
from ..engine import Advance, Completion, Prompt, Request
from ..errors import EngineRefused, EngineUnavailable
from ..types import Finish
from .byte_vocabulary import END, decode, encode
from .simulated_tree import uniform

GARBAGE = "\ufffd {]}\x1b[2J \u202e ??"
Rate = Annotated[float, Field(ge=0, le=1)]
Distortion = Literal["garbage", "empty", "cut"]


class Faults(BaseModel):
    """How often each fault strikes, as a rate from 0 to 1.

    The first two strike an attempt: the same request may succeed when it is sent again. The others belong to the
    request: sent again, it fares the same. All depend on `seed`, the request and, for the first two, how often this
    engine object has seen the request, so that a run's faults are the same every time.

    Args:
        unavailable: the call fails with `EngineUnavailable`.
        hang: the call never returns; it can be cancelled.
        refused: the call fails with `EngineRefused`.
        garbage: the completion is unreadable text of full length.
        empty: the completion is the end token alone.
        cut: the completion is aborted half-way.
        overrun: the completion reports a token more than was allowed.
        unavailable_is_free: whether the engine is certain that an unavailable call cost nothing.
        seed: chooses what strikes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    unavailable: Rate = 0.0
    hang: Rate = 0.0
    refused: Rate = 0.0
    garbage: Rate = 0.0
    empty: Rate = 0.0
    cut: Rate = 0.0
    overrun: Rate = 0.0
    unavailable_is_free: bool = False
    seed: int = 0

    @property
    def is_none(self) -> bool:
        """Whether nothing ever goes wrong."""
        return not (self.unavailable or self.hang or self.distortions())

    def distortions(self) -> tuple[float, ...]:
        """What changes the completions that an engine gives, and is part of its identity; empty for nothing."""
        rates = (self.refused, self.garbage, self.empty, self.cut, self.overrun)
        return (*rates, self.seed) if any(rates) else ()


class FaultyCalls:
    """The faults of one engine object, which remembers how often it has seen each failing request."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._attempts: Counter[bytes] = Counter()

    async def strike(self, request: object) -> None:
        """Fail, hang, or do nothing, as the faults have it.

        Raises:
            EngineUnavailable: this attempt fails.
            EngineRefused: every attempt fails.
        """
        faults = self._faults
        if faults.is_none:
            return
        key = self._key(request)
        attempt = self._attempts[key]
        self._attempts[key] += 1
        if self.refuses(request):
            raise EngineRefused("the simulated engine must not be asked this, by its faults; lower their refused rate")
        if uniform(key, "hang", attempt) < faults.hang:
            await asyncio.Event().wait()
        if uniform(key, "unavailable", attempt) < faults.unavailable:
            raise EngineUnavailable(
                "the simulated engine must be up, but its faults made it unavailable; try again",
                is_free=faults.unavailable_is_free,
            )
        del self._attempts[key]

    def refuses(self, request: object) -> bool:
        """Whether a request is refused whenever it comes."""
        return bool(self._faults.refused) and uniform(self._key(request), "refused") < self._faults.refused

    def distort(self, request: Request, done: Completion) -> Completion:
        """The completion as the faults leave it; its usage is to be counted anew."""
        match self.distortion(request):
            case "garbage":
                tokens = garbage(0, request.sampling.max_tokens)
                return replace(done, tokens=tokens, text=decode(tokens), finish=Finish.TOTAL_LENGTH, logprobs=None)
            case "empty":
                return replace(done, tokens=(END,), text="", finish=Finish.EOS, logprobs=done.logprobs and (0.0,))
            case "cut":
                half = (len(done.tokens) + 1) // 2
                tokens, logprobs = done.tokens[:half], done.logprobs and done.logprobs[:half]
                return replace(done, tokens=tokens, text=decode(tokens), finish=Finish.ABORTED, logprobs=logprobs)
        return done

    def distortion(self, request: object) -> Distortion | None:
        """What the faults make of the text that a request asks for."""
        faults = self._faults
        if not faults.distortions():
            return None
        key = self._key(request)
        rates: dict[Distortion, float] = {"garbage": faults.garbage, "empty": faults.empty, "cut": faults.cut}
        return next((name for name, rate in rates.items() if uniform(key, name) < rate), None)

    def overruns(self, request: object) -> bool:
        """Whether the engine claims to have generated more than it was allowed."""
        return bool(self._faults.overrun) and uniform(self._key(request), "overrun") < self._faults.overrun

    def _key(self, request: object) -> bytes:
        return digest("fault", self._faults.seed, nameless(request))


def nameless(request: object) -> object:
    """The request without what names the place of the run that makes it: a salt, a session."""
    if isinstance(request, Advance):
        return replace(request, session="", may_rebuild=False)
    if isinstance(request, Prompt):
        return replace(request, salt="")
    if isinstance(request, Request):
        return replace(request, prompt=replace(request.prompt, salt=""))
    return request


def garbage(start: int, count: int) -> tuple[int, ...]:
    """`count` unreadable tokens from the place `start` on."""
    tokens = encode(GARBAGE)
    return tuple(tokens[i % len(tokens)] for i in range(start, start + count))
