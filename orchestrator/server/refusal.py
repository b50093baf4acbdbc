"""What a client is told when it gets no answer: OpenAI's error shape, a status its SDK understands, no internals."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from functools import partial

import orjson

from ..errors import BudgetExceeded, EngineRefused, EngineUnavailable
from ..types import Result

LOGGER = logging.getLogger("ponder.server")
BUDGET = "the budget cannot pay for one answer"
RETRY_AFTER_S = 1.0
SHOWN = 64
LONGEST = 1000
"""Characters of a message; what is cut off repeats what came."""


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: the HTTP status.
        message: what must hold, what came, what to do; shown to the client, so no secret and no internals.
        param: the parameter at fault.
        code: a word for programs.
        kind: OpenAI's ``type``.
        headers: more headers of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message if len(message) <= LONGEST else f"{message[:LONGEST]}...")
        self.status = status
        self.param = param
        self.code = code
        self.kind = kind
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[partial[Refusal], tuple[int, str]]:
        more = partial(Refusal, param=self.param, code=self.code, kind=self.kind, headers=self.headers)
        return more, (self.status, str(self))

    def body(self) -> bytes:
        """The error as JSON."""
        shape = {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}
        return orjson.dumps({"error": shape})


def unavailable(message: str, code: str, retry_after_s: float | None = None, status: int = 503) -> Refusal:
    """A refusal that asks the client to come back."""
    wait = str(max(1, math.ceil(retry_after_s or RETRY_AFTER_S)))
    kind = "requests" if status == 429 else "server_error"
    return Refusal(status, message, code=code, kind=kind, headers={"retry-after": wait})


def overspent(reason: str) -> Refusal:
    """The refusal of a request that its budget cannot answer; the SDK must not send it again."""
    message = f"{BUDGET}: {reason}"
    headers = {"x-should-retry": "false"}
    return Refusal(402, message, code="budget_exceeded", kind="insufficient_quota", headers=headers)


def too_slow(seconds: float) -> Refusal:
    """The refusal of a request that the server's own deadline left without an answer; sent again it fares no better."""
    message = f"an answer must come within the {seconds:g} s that this server gives it, but did not; ask for less"
    headers = {"x-should-retry": "false"}
    return Refusal(503, message, code="deadline_exceeded", kind="server_error", headers=headers)


def refusal_of(error: Exception, request_id: str) -> Refusal:
    """What to tell the client about any error; what it may not see is logged under the request's id."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, BudgetExceeded):
        return overspent(str(error))
    if isinstance(error, EngineUnavailable):
        LOGGER.warning("request %s: %s", request_id, error)
        return _engine_away(request_id, error.retry_after_s)
    if isinstance(error, EngineRefused):
        LOGGER.warning("request %s: %s", request_id, error)
        return _engine_refused(request_id)
    LOGGER.error("request %s failed", request_id, exc_info=error)
    message = f"the server failed on this request; its log says why under {request_id}"
    return Refusal(500, message, code="internal_error", kind="server_error")


def check_answered(result: Result, is_cut: bool, request_id: str) -> None:
    """Refuse a result that holds no answer.

    Args:
        result: what the run returned.
        is_cut: whether an engine was away for too long.
        request_id: where the log says more.

    Raises:
        Refusal: there is no candidate.
    """
    if result.candidates:
        if result.failures and result.stopped == "done":
            LOGGER.warning("request %s lost %d parts of its work: %s", request_id, result.failures, result.reason)
        return
    if result.stopped in ("budget", "deadline"):
        raise overspent(result.reason)
    LOGGER.warning("request %s has no answer: %s", request_id, result.reason)
    if is_cut:
        raise _engine_away(request_id, None)
    if result.failures:
        raise _engine_refused(request_id)
    message = f"the pipeline returned no answer; the server's log says more under {request_id}"
    raise Refusal(500, message, code="no_answer", kind="server_error")


def _engine_away(request_id: str, retry_after_s: float | None) -> Refusal:
    message = f"the engine behind this model is away or overloaded; try again (the log says more under {request_id})"
    return unavailable(message, "engine_unavailable", retry_after_s)


def _engine_refused(request_id: str) -> Refusal:
    message = f"the engine behind this model refuses this request; the server's log says why under {request_id}"
    return Refusal(400, message, code="engine_refused")
