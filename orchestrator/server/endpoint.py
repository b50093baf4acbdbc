"""What endpoints that answer by a run have in common: a request becomes a job, and the job a run."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from starlette.requests import ClientDisconnect, Request

from ..budget import Budget
from ..pipeline import Pipeline
from ..runtime import Done
from ..shape import Medium
from .asked import A, refuse
from .refusal import Refusal, refusal_of
from .reply import send_refusal
from .runs import ClientGone, Runs, attend, end
from .served import Model, Models
from .strict_json import parse, read_body

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

MOST_SECONDS = 600.0
SEEDS = 2**53
PATHS: Mapping[Medium, str] = {"text": "/v1/chat/completions", "image": "/v1/images/generations"}
"""Where models are asked, by what they make."""


@dataclass(frozen=True, slots=True)
class Job(Generic[A]):
    """A request, ready to run: the model it asks for, working as it asks, within its budget."""

    id: str
    asked: A
    model: Model
    pipeline: Pipeline
    budget: Budget
    seed: int

    async def run(self) -> Done:
        return await self.model.run(self.pipeline, self.asked.conversation, self.budget, self.seed)


class Endpoint(Generic[A]):
    """An endpoint; a subclass says what its models make and what its ids begin with, and implements `read`, `answer`.

    Args:
        models: what can be asked.
        runs: the runs in flight.
        cap: the operator's limits for one request; without one in seconds, 600.
        seed: for requests that send none; None draws one for each.
    """

    medium: ClassVar[Medium]
    prefix: ClassVar[str]

    def __init__(self, models: Models, runs: Runs, cap: Budget, seed: int | None) -> None:
        self._models = models
        self._runs = runs
        self._cap = cap if cap.seconds is not None else cap.model_copy(update={"seconds": MOST_SECONDS})
        self._seed = seed

    def read(self, data: Mapping[str, Any]) -> A:
        """The request in a parsed body.

        Raises:
            Refusal: it is none.
        """
        raise TypeError(f"{type(self).__name__} must implement read")

    def prepared(self, model: Model, asked: A) -> Pipeline:
        """The pipeline, working as the request asks.

        Raises:
            Refusal: it cannot.
        """
        return model.pipeline

    async def answer(self, job: Job[A], send: Send) -> None:
        """Run a job and send what comes of it.

        Raises:
            Refusal: nothing that can be sent.
        """
        raise TypeError(f"{type(self).__name__} must implement answer")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"{self.prefix}-{secrets.token_hex(12)}"
        try:
            job = await self._job(Request(scope, receive), request_id)
            await attend(self.answer(job, send), receive)
        except (ClientGone, ClientDisconnect):
            return
        except Exception as error:
            await send_refusal(refusal_of(error, request_id), send, {"x-request-id": request_id})

    async def done(self, job: Job[A]) -> Done:
        """The run of a job, once it has ended.

        Raises:
            Refusal: there may be no more runs, or the server ended it to close.
        """
        run = self._runs.start(job.run())
        try:
            await asyncio.wait([run])
            return self._runs.outcome(run)
        finally:
            await end(run)

    async def _job(self, request: Request, request_id: str) -> Job[A]:
        """The job a request describes.

        Raises:
            Refusal: it describes none.
        """
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "a body must be JSON; send it with Content-Type: application/json")
        asked = self.read(parse(await read_body(request.stream())))
        model = self._models[asked.model]
        if model.medium != self.medium:
            rule = f"this model makes {model.medium}s, not {self.medium}s; ask it at POST {PATHS[model.medium]}"
            raise refuse("model", rule, "wrong_endpoint")
        if asked.n > model.most_answers:
            rule = f"this model gives at most {model.most_answers} answers to a request, got {asked.n}; lower it"
            raise refuse("n", rule)
        budget = asked.ponder.budget.at_most(self._cap)
        return Job(request_id, asked, model, self.prepared(model, asked), budget, self._seed_of(asked))

    def _seed_of(self, asked: A) -> int:
        if asked.seed is not None:
            return asked.seed
        return secrets.randbelow(SEEDS) if self._seed is None else self._seed
