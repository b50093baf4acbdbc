"""What endpoints that answer by a run have in common: a request becomes a job, and the job a run."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from starlette.requests import ClientDisconnect, Request

from ..budget import NO_LIMIT, Budget
from ..errors import BudgetExceeded
from ..pipeline import Pipeline
from ..runtime import Done
from ..shape import Medium
from ..types import Query, Usage
from .asked import A, refuse
from .auth import KEY_IN_SCOPE
from .brought import brought
from .desk import Desk
from .directory import Place
from .keys import Key
from .measured import tally
from .refusal import SHOWN, Refusal, refusal_of, too_slow
from .reply import send_refusal
from .runs import GRACE_S, ClientGone, Fingerprint, Work, attend
from .served import Model
from .strict_json import parse, read_body
from .till import Till
from .trace import Trace

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

SEEDS = 2**53
MOST_RETRIES = 4
"""More are counted as so many: the SDK waits eight seconds at most."""
RETRY_COUNT = "x-stainless-retry-count"
"""The header in which the OpenAI SDK says, with every request, how often it has sent it before."""
CHAT, RESPONSES, COMPLETIONS = "/v1/chat/completions", "/v1/responses", "/v1/completions"
IMAGES = "/v1/images/generations"
PATHS: Mapping[Medium, tuple[str, ...]] = {"text": (CHAT, RESPONSES, COMPLETIONS), "image": (IMAGES,)}
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

    async def run(self, key: Key, accounts: Till, trace: Trace, turn: AbstractAsyncContextManager[None]) -> Done:
        """Run it within what its key may still spend, followed by `trace`; all of that before its deadline.

        It waits for what its key has lent to others before it waits for its turn, so that it holds up nobody else.

        Raises:
            Refusal: it may not run, or a deadline that its client did not set came before an answer.
            BudgetExceeded: its budget does not pay for one answer.
        """
        most = self.budget.seconds or 0.0
        is_ours = (wanted := self.asked.ponder.budget.seconds) is None or wanted > most
        try:
            done = await self._run(key, accounts, trace, turn)
        except BudgetExceeded as error:
            raise too_slow(most) if is_ours and error.dimension == "seconds" else error from None
        if is_ours and done.result.stopped == "deadline" and not (done.result.candidates or trace.text):
            raise too_slow(most)
        return done

    async def _run(self, key: Key, accounts: Till, trace: Trace, turn: AbstractAsyncContextManager[None]) -> Done:
        query, began = self.asked.query, time.monotonic()
        try:
            async with asyncio.timeout(self.budget.seconds):
                await self.model.check_fits(self.pipeline, query)
                least, most = await self._needs(query, key.budget)
        except TimeoutError:
            raise BudgetExceeded("seconds", self.budget.seconds or 0.0, 0.0) from None
        lease = await accounts.lease(key.name, least, most.after(time.monotonic() - began))
        try:
            async with turn:
                return await self.model.run(self.pipeline, query, lease.budget, self.seed, trace.watcher())
        finally:
            accounts.settle(lease.id, trace.paid)

    async def _needs(self, query: Query, limits: Budget) -> tuple[Usage, Budget]:
        """The least that it costs, and the most that it may, limited in what `limits` limits."""
        if limits == NO_LIMIT:
            return Usage(), self.budget
        plan = await self.model.runtime.plan(self.pipeline, query)
        open_ones = {name: None for name in Budget.model_fields if getattr(limits, name) is None}
        most = Budget.of(plan.estimate.most).model_copy(update=open_ones)
        return plan.attempt.most, self.budget.at_most(most)


class Endpoint(Generic[A]):
    """An endpoint; a subclass says what its models make and what its ids begin with, and implements `read`, `answer`.

    Args:
        desk: what it works with.
    """

    medium: ClassVar[Medium]
    prefix: ClassVar[str]
    path: ClassVar[str]

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def read(self, data: Mapping[str, Any]) -> A:
        """The request in a parsed body.

        Raises:
            Refusal: it is none.
        """
        raise TypeError(f"{type(self).__name__} must implement read")

    def prepared(self, model: Model, pipeline: Pipeline, asked: A) -> Pipeline:
        """The pipeline, working as the request asks.

        Raises:
            Refusal: it cannot.
        """
        return pipeline

    def told(self, refusal: Refusal) -> Refusal:
        """A refusal as this endpoint words it."""
        return refusal

    def is_heard(self, job: Job[A]) -> bool:
        """Whether the answer is wanted while it is written."""
        return False

    async def answer(self, job: Job[A], work: Work, send: Send) -> None:
        """Send what comes of a run.

        Raises:
            Refusal: nothing that can be sent.
        """
        raise TypeError(f"{type(self).__name__} must implement answer")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"{self.prefix}{secrets.token_hex(12)}"
        try:
            request = Request(scope, receive)
            work = await self._work(request, request_id)
            with self.desk.runs.attended(work, _grace_s(request)):
                await attend(self.answer(work.job, work, send), receive)
        except (ClientGone, ClientDisconnect):
            return
        except Exception as error:
            await send_refusal(self.told(refusal_of(error, request_id)), send, {"x-request-id": request_id})

    async def _work(self, request: Request, request_id: str) -> Work:
        """The run that answers a request: one that it began before, where it is sent again, or a new one.

        Raises:
            Refusal: there is none.
        """
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "a body must be JSON; send it with Content-Type: application/json")
        body = await read_body(request.stream())
        key: Key = request.scope[KEY_IN_SCOPE]
        named = request.headers.get("idempotency-key", "")
        sent = hashlib.sha256(named.encode() + b"\0")
        sent.update(body)
        fingerprint: Fingerprint = (key.name, self.path, sent.hexdigest())
        is_again = bool(named or _retries(request))
        if is_again and (work := self._attached(fingerprint)) is not None:
            return work
        job = self._job(self.read(parse(body)), key, request_id)
        tally().model = job.model.name
        if not is_again:
            return self._begun(job, key, fingerprint)
        found = await self.desk.runs.directory.claim(fingerprint, Place(job.id, job.seed))
        if (work := self._attached(fingerprint)) is not None:
            return work
        if found is None:
            return self._begun(job, key, fingerprint)
        tally().attached(job.model.name)
        return self._begun(replace(job, id=found.id, seed=found.seed), key, fingerprint, is_elsewhere=True)

    def _attached(self, fingerprint: Fingerprint) -> Work | None:
        """The run that the same request began here, if it can still answer."""
        work = self.desk.runs.again(fingerprint)
        if work is not None:
            tally().attached(work.model)
        return work

    def _begun(self, job: Job[A], key: Key, fingerprint: Fingerprint, *, is_elsewhere: bool = False) -> Work:
        """A new run, or one that waits for what becomes of it on another replica.

        Raises:
            Refusal: there are too many.
        """
        trace = Trace(is_heard=self.is_heard(job))
        work = Work(job.id, key.name, job.model.name, fingerprint, job, trace, is_elsewhere=is_elsewhere)
        self.desk.runs.start(work, lambda: self._done(work, job, key))
        return work

    async def _done(self, work: Work, job: Job[A], key: Key) -> Done:
        """What a run returns; one that was lost on another replica is begun anew here."""
        if work.is_elsewhere:
            done = await self.desk.runs.directory.outcome(work.id, work.owner)
            if done is not None:
                return done
            work.is_elsewhere = False
            self.desk.runs.announce(work)
        return await job.run(key, self.desk.accounts, work.trace, self.desk.runs.turn(work))

    def _job(self, asked: A, key: Key, request_id: str) -> Job[A]:
        """The job that a request describes.

        Raises:
            Refusal: it describes none, or not one that its key may ask for.
        """
        check_allowed(key, asked.model)
        model = self.desk.models.pick(asked.model, asked.reasoning_effort, asked.ponder.budget)
        if model.medium != self.medium:
            rule = f"this model makes {model.medium}s, not {self.medium}s; ask it at POST {PATHS[model.medium][0]}"
            raise refuse("model", rule, "wrong_endpoint")
        pipeline, most = brought(model, asked.ponder.strategy, self.desk.strategies)
        if asked.n > most:
            raise refuse("n", f"this model gives at most {most} answers to a request, got {asked.n}; lower it")
        budget = self.desk.allowed(asked.ponder.budget)
        return Job(request_id, asked, model, self.prepared(model, pipeline, asked), budget, self._seed_of(asked))

    def _seed_of(self, asked: A) -> int:
        if asked.seed is not None:
            return asked.seed
        return secrets.randbelow(SEEDS) if self.desk.seed is None else self.desk.seed


def check_allowed(key: Key, model: str) -> None:
    """Refuse a model that a key does not open.

    Raises:
        Refusal: it does not.
    """
    if not key.may_ask(model):
        rule = f"it must be one that this key may ask, got {model[:SHOWN]!r}; /v1/models lists them"
        raise Refusal(403, f"model: {rule}", param="model", code="model_not_allowed")


def _grace_s(request: Request) -> float:
    """How long to wait for a client that has left: not at all for one that could not be told from another."""
    may_return = "idempotency-key" in request.headers or RETRY_COUNT in request.headers
    return GRACE_S * 2 ** _retries(request) if may_return else 0.0


def _retries(request: Request) -> int:
    """How often the OpenAI SDK has sent a request before, as far as it says."""
    count = request.headers.get(RETRY_COUNT, "0")
    return min(int(count[:4]), MOST_RETRIES) if count.isascii() and count.isdigit() else 0
