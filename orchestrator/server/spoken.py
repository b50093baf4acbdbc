"""Endpoints that answer in text: whole, or in events while it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import orjson

from ..pipeline import Pipeline
from ..runtime import Done
from ..types import Candidate, Finish, Result
from .bill import headers
from .desk import MOST_SECONDS
from .endpoint import Endpoint, Job
from .measured import tally
from .overrides import as_asked, wishes
from .refusal import Refusal, check_answered, refusal_of, unavailable
from .reply import EventStream, send_json
from .runs import Work
from .served import Model
from .wire import ChatRequest

if TYPE_CHECKING:
    from starlette.types import Send

T = TypeVar("T", bound=ChatRequest)
HEAD_START_S = 0.5

Event = dict[str, Any]


class Wording(Protocol):
    """How one endpoint words its answer to one request: whole, or in the events of a stream."""

    @property
    def stop(self) -> list[str]:
        """The client's stop strings; an answer ends before them."""

    def whole(self, result: Result) -> dict[str, Any]:
        """The body of a response that is not streamed, with its bill as `ponder`."""

    def opening(self) -> Iterable[Event]:
        """The events before anything is said."""

    def piece(self, text: str) -> Event:
        """The event that says more of the first answer."""

    def rest(self, result: Result, said: int) -> Iterator[Event]:
        """The events after so many characters of the first answer have been said, to the end."""

    def failure(self, refusal: Refusal) -> Event:
        """The event that ends a stream without an answer."""


class TextEndpoint(Endpoint[T]):
    """An endpoint of texts; a subclass also implements `wording`.

    A stream tells the answer as it is written, where the last stage of the pipeline draws just one; else the chosen
    answer in pieces. Until there is something to tell, comments keep it open.
    """

    medium = "text"
    ends_with_done = True

    def wording(self, job: Job[T], created: int) -> Wording:
        """How this endpoint words the answer of a run that was created so many seconds after the epoch."""
        raise TypeError(f"{type(self).__name__} must implement wording")

    def prepared(self, model: Model, pipeline: Pipeline, asked: T) -> Pipeline:
        wanted = (*wishes(asked).items(), bool(asked.shown), bool(asked.of_tools))
        return model.redrawn.get(pipeline, wanted, lambda: as_asked(pipeline, asked, model.engines))

    def is_heard(self, job: Job[T]) -> bool:
        """Also where a deadline that somebody set may cut it, for what is written until then is the best answer."""
        return job.asked.stream or job.budget.seconds != MOST_SECONDS

    async def answer(self, job: Job[T], work: Work, send: Send) -> None:
        """Answer at once, when the run is done, or in events."""
        wording = self.wording(job, int(work.created))
        if job.asked.stream:
            return await self._stream(job, work, wording, send)
        body = wording.whole(_answered(await work.outcome(), work))
        await send_json(send, 200, orjson.dumps(body), {"x-request-id": job.id, **headers(body["ponder"])})

    async def _stream(self, job: Job[T], work: Work, wording: Wording, send: Send) -> None:
        """Answer in events. A run that fails within half a second is refused as one that is not streamed."""
        ended, held = asyncio.ensure_future(work.outcome()), max(map(len, wording.stop), default=0)
        try:
            await _news(work, ended, held, HEAD_START_S)
            if ended.done():
                _answered(ended.result(), work)
            stream = EventStream(send)
            await stream.open({"x-request-id": job.id})
            for event in wording.opening():
                await stream.event(event)
            said = await self._live(work, ended, wording, held, stream)
            for event in self._ending(work, ended, wording, said):
                await stream.event(event)
            await stream.close(is_done=self.ends_with_done)
        finally:
            ended.cancel()

    async def _live(
        self, work: Work, ended: asyncio.Future[Done], wording: Wording, held: int, stream: EventStream
    ) -> str:
        """Tell the answer as it is written, until the run ends; what was told.

        So many characters are held back as may turn out to be a stop string, which no answer holds.
        """
        said = ""
        while not ended.done():
            text = work.trace.text[: len(work.trace.text) - held]
            if len(text) > len(said):
                tally().began_answer()
                await stream.event(wording.piece(text[len(said) :]))
                said = text
            elif not await _news(work, ended, len(said) + held, self.desk.keep_alive_s):
                await stream.keep_alive()
        return said

    def _ending(self, work: Work, ended: asyncio.Future[Done], wording: Wording, said: str) -> list[Event]:
        """How a stream goes on once the run has ended: the rest of the answer, or why there is none."""
        try:
            result = _answered(ended.result(), work)
            if not text_of(result.candidates[0], wording.stop).startswith(said):
                raise unavailable(
                    "the engine failed while it wrote and did not write the same again", "engine_unavailable"
                )
            rest = list(wording.rest(result, len(said)))
        except Exception as error:
            refusal = refusal_of(error, work.id)
            tally().refused(refusal.code)
            return [wording.failure(self.told(refusal))]
        tally().began_answer()
        return rest


def _answered(done: Done, work: Work) -> Result:
    """The result, where it holds an answer. One that a deadline cut while it was written is the best so far.

    Raises:
        Refusal: it holds none.
    """
    result, written = done.result, work.trace.text
    if not result.candidates and result.stopped == "deadline" and written:
        result = replace(result, candidates=(Candidate((), written, Finish.TOTAL_LENGTH, usage=result.usage),))
    check_answered(result, done.is_cut, work.id)
    return result


async def _news(work: Work, ended: asyncio.Future[Done], length: int, patience_s: float) -> bool:
    """Whether the run ends, or more than `length` characters are written, before patience does."""
    grown = asyncio.ensure_future(work.trace.grown(length))
    try:
        both: list[asyncio.Future[Any]] = [ended, grown]
        done, _ = await asyncio.wait(both, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        grown.cancel()


def finish_reason(candidate: Candidate) -> str:
    """``stop`` or ``tool_calls`` for a candidate that ended by itself, ``length`` for one that was cut."""
    if candidate.finish is Finish.CALLED:
        return "tool_calls"
    return "stop" if candidate.finish.is_complete else "length"


def text_of(candidate: Candidate, stop: Iterable[str]) -> str:
    """The text of a candidate without the client's stop string that ended it."""
    text = candidate.text
    if candidate.finish is not Finish.STOP:
        return text
    return text[: len(text) - max((len(end) for end in stop if text.endswith(end)), default=0)]
