"""``/v1/chat/completions``: a request becomes a run, and its result an answer, whole or streamed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from ..budget import Budget
from ..pipeline import Pipeline
from ..runtime import Done
from .account import headers
from .answer import Answer, Envelope
from .endpoint import Endpoint, Job
from .overrides import with_sampling
from .refusal import check_answered, refusal_of
from .reply import EventStream, send_json
from .runs import Runs, end
from .served import Model, Models
from .wire import ChatRequest, read_request

if TYPE_CHECKING:
    from starlette.types import Send

HEAD_START_S = 0.5


class ChatCompletions(Endpoint[ChatRequest]):
    """The endpoint of texts.

    Args:
        models, runs, cap, seed: as of every endpoint.
        keep_alive_s: seconds between the comments that keep a silent stream open.
    """

    medium = "text"
    prefix = "chatcmpl"

    def __init__(self, models: Models, runs: Runs, cap: Budget, seed: int | None, keep_alive_s: float) -> None:
        super().__init__(models, runs, cap, seed)
        self._keep_alive_s = keep_alive_s

    def read(self, data: Mapping[str, Any]) -> ChatRequest:
        return read_request(data)

    def prepared(self, model: Model, asked: ChatRequest) -> Pipeline:
        return with_sampling(model.pipeline, asked)

    async def answer(self, job: Job[ChatRequest], send: Send) -> None:
        """Answer at once, when the run is done, or in events."""
        if job.asked.stream:
            return await self._stream(job, send)
        answer = _answer(job, await self.done(job), _envelope(job))
        told = {"x-request-id": job.id, **headers(answer.account())}
        await send_json(send, 200, orjson.dumps(answer.completion()), told)

    async def _stream(self, job: Job[ChatRequest], send: Send) -> None:
        """Answer in events. A run that fails within half a second is refused as one that is not streamed."""
        run = self._runs.start(job.run())
        envelope = _envelope(job)
        stream = EventStream(send)
        try:
            if await _is_done(run, HEAD_START_S):
                _answer(job, self._runs.outcome(run), envelope)
            await stream.open({"x-request-id": job.id})
            await stream.event(envelope.opening(0))
            while not await _is_done(run, self._keep_alive_s):
                await stream.keep_alive()
            await self._tell(job, run, envelope, stream)
            await stream.close()
        finally:
            await end(run)

    async def _tell(
        self, job: Job[ChatRequest], run: asyncio.Task[Done], envelope: Envelope, stream: EventStream
    ) -> None:
        """Send the answer of a finished run, or why there is none."""
        try:
            chunks = list(_answer(job, self._runs.outcome(run), envelope).chunks())
        except Exception as error:
            await stream.refuse(refusal_of(error, job.id))
            return
        for chunk in chunks:
            await stream.event(chunk)


def _envelope(job: Job[ChatRequest]) -> Envelope:
    fingerprint = job.model.pipeline.id
    return Envelope(job.id, int(time.time()), job.model.name, fingerprint, job.asked.includes_usage)


def _answer(job: Job[ChatRequest], done: Done, envelope: Envelope) -> Answer:
    """What to tell the client.

    Raises:
        Refusal: there is no answer to tell.
    """
    check_answered(done.result, done.is_cut, job.id)
    return Answer(envelope, done.result, job.asked.n, job.asked.stop, job.seed)


async def _is_done(run: asyncio.Task[Done], patience_s: float) -> bool:
    """Whether a run is done, waiting for it for a while."""
    await asyncio.wait([run], timeout=patience_s)
    return run.done()
