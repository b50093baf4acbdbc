"""``/v1/chat/completions``: a request becomes a run, and its result an answer, whole or streamed."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from starlette.requests import ClientDisconnect, Request

from ..budget import Budget
from ..pipeline import Pipeline
from ..runtime import Done
from .answer import Answer, Envelope
from .overrides import with_sampling
from .refusal import Refusal, check_answered, refusal_of
from .reply import EventStream, send_json, send_refusal
from .runs import ClientGone, Runs, attend, end
from .served import Model, Models
from .strict_json import parse, read_body
from .wire import ChatRequest, read_request

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HEAD_START_S = 0.5
MOST_SECONDS = 600.0
SEEDS = 2**53


@dataclass(frozen=True, slots=True)
class Job:
    """A request, ready to run: the model it asks for, drawing as it asks, within its budget."""

    id: str
    asked: ChatRequest
    model: Model
    pipeline: Pipeline
    budget: Budget
    seed: int

    async def run(self) -> Done:
        return await self.model.run(self.pipeline, self.asked.conversation, self.budget, self.seed)

    def envelope(self) -> Envelope:
        fingerprint = self.model.pipeline.id
        return Envelope(self.id, int(time.time()), self.model.name, fingerprint, self.asked.includes_usage)

    def answer(self, done: Done, envelope: Envelope) -> Answer:
        """What to tell the client.

        Raises:
            Refusal: there is no answer to tell.
        """
        check_answered(done.result, done.is_cut, self.id)
        return Answer(envelope, done.result, self.asked.n, self.asked.stop, self.seed)


class ChatCompletions:
    """The endpoint.

    Args:
        models: what can be asked.
        runs: the runs in flight.
        cap: the operator's limits for one request; without one in seconds, 600.
        seed: for requests that send none; None draws one for each.
        keep_alive_s: seconds between the comments that keep a silent stream open.
    """

    def __init__(self, models: Models, runs: Runs, cap: Budget, seed: int | None, keep_alive_s: float) -> None:
        self._models = models
        self._runs = runs
        self._cap = cap if cap.seconds is not None else cap.model_copy(update={"seconds": MOST_SECONDS})
        self._seed = seed
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"chatcmpl-{secrets.token_hex(12)}"
        try:
            job = await self._read(Request(scope, receive), request_id)
            reply = self._stream if job.asked.stream else self._whole
            await attend(reply(job, send), receive)
        except (ClientGone, ClientDisconnect):
            return
        except Exception as error:
            await send_refusal(refusal_of(error, request_id), send, {"x-request-id": request_id})

    async def _read(self, request: Request, request_id: str) -> Job:
        """The job a request describes.

        Raises:
            Refusal: it describes none.
        """
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "a body must be JSON; send it with Content-Type: application/json")
        asked = read_request(parse(await read_body(request.stream())))
        model = self._models[asked.model]
        if asked.n > model.most_answers:
            rule = f"n: this model gives at most {model.most_answers} answers to a request, got {asked.n}; lower it"
            raise Refusal(400, rule, param="n", code="invalid_value")
        budget = asked.ponder.budget.at_most(self._cap)
        return Job(request_id, asked, model, with_sampling(model.pipeline, asked), budget, self._seed_of(asked))

    def _seed_of(self, asked: ChatRequest) -> int:
        if asked.seed is not None:
            return asked.seed
        return secrets.randbelow(SEEDS) if self._seed is None else self._seed

    async def _whole(self, job: Job, send: Send) -> None:
        """Answer at once, when the run is done."""
        run = self._runs.start(job.run())
        try:
            await asyncio.wait([run])
            answer = job.answer(self._runs.outcome(run), job.envelope())
        finally:
            await end(run)
        headers = {"x-request-id": job.id, **answer.headers()}
        await send_json(send, 200, orjson.dumps(answer.completion()), headers)

    async def _stream(self, job: Job, send: Send) -> None:
        """Answer in events. A run that fails within half a second is refused as one that is not streamed."""
        run = self._runs.start(job.run())
        envelope = job.envelope()
        stream = EventStream(send)
        try:
            if await _is_done(run, HEAD_START_S):
                job.answer(self._runs.outcome(run), envelope)
            await stream.open({"x-request-id": job.id})
            await stream.event(envelope.opening(0))
            while not await _is_done(run, self._keep_alive_s):
                await stream.keep_alive()
            await self._tell(job, run, envelope, stream)
            await stream.close()
        finally:
            await end(run)

    async def _tell(self, job: Job, run: asyncio.Task[Done], envelope: Envelope, stream: EventStream) -> None:
        """Send the answer of a finished run, or why there is none."""
        try:
            chunks = list(job.answer(self._runs.outcome(run), envelope).chunks())
        except Exception as error:
            await stream.refuse(refusal_of(error, job.id))
            return
        for chunk in chunks:
            await stream.event(chunk)


async def _is_done(run: asyncio.Task[Done], patience_s: float) -> bool:
    """Whether a run is done, waiting for it for a while."""
    await asyncio.wait([run], timeout=patience_s)
    return run.done()
