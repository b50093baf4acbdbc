"""A server to fuzz in this process, and what must hold of whatever it answers."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from api_bodies import CHAT, COMPLETIONS, IMAGES, RESPONSES
from image_serving import search, stepwise
from serving import Response, ask, pipeline, single, vote
from starlette.applications import Starlette

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.frontier import Frontier, FrontierPoint
from ponder.orchestrator.pipeline import STRATEGIES
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.served import by_name
from ponder.strategies import BestOfN, Sample, SelfConsistency
from ponder.verifiers import VERIFIERS, ProcessReward

STATUSES = {200, 400, 402, 403, 404, 405, 408, 413, 415, 429}
DECLARED = {"engine_unavailable": "retry-after", "closing": "retry-after", "deadline_exceeded": "x-should-retry"}
"""Codes that a 503 may carry, and the header that says whether to come back."""
PLAIN = {"invalid_json", "body_too_large", "not_offered", "engine_refused", None}
"""Codes of faults that are no field's."""
NEEDED = {CHAT: ("model", "messages"), RESPONSES: ("model", "input"), COMPLETIONS: ("model", "prompt")}
NEEDED |= {IMAGES: ("model", "prompt")}
INTERNALS = re.compile(rb'Traceback|File \\?"|site-packages|\.py\b|0x[0-9a-f]{6,}|pydantic|Errno|object at')
LONGEST = 4096
"""Bytes of an error: it repeats little of what came."""
PATIENCE_S = 1.0
BOUND = Budget(total_tokens=600, calls=24, verifier_calls=64, nfe=64)
STARTS_PROGRAMS = {"python_code", "math_answer", "simulated_code", "function"}


def served() -> Starlette:
    """Pipelines of the simulated engine and of a small closed-form denoiser; requests may bring strategies."""
    points = [_point(Sample(max_tokens=16), 20), _point(SelfConsistency(n=2, max_tokens=16), 40)]
    dial = Frontier(name="dial", engines={"generator": SimulatedSpec()}, points=tuple(points))
    best = pipeline("best", BestOfN(n=2, max_tokens=16, verifier=ProcessReward(engine="generator")))
    models = [single(), vote(n=2), best, dial, search("image", n=2, steps=1), stepwise("steps", n=2, steps=2)]
    allowed = {*STRATEGIES.names(), *VERIFIERS.names()} - STARTS_PROGRAMS
    return create_app(by_name(models), frontiers=[dial], budget=BOUND, strategies=allowed)


def _point(strategy: Any, tokens: float) -> FrontierPoint:
    figures = {"accuracy": tokens / 100, "low": 0.0, "high": 1.0, "items": 80, "cost": {"total_tokens": tokens}}
    return FrontierPoint.model_validate({"name": strategy.kind, "level": tokens, "strategy": strategy, **figures})


class Wrong(AssertionError):
    """An answer that must not be."""


class Fuzzed:
    """The server on a loop of its own.

    Args:
        app: the application.
    """

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.slowest_s = 0.0
        self._runner = asyncio.Runner()
        self._lost: list[Any] = []
        self._errors = _Errors()

    @contextmanager
    def running(self) -> Iterator[None]:
        lifespan = self.app.router.lifespan_context(self.app)
        with self._runner as runner:
            runner.get_loop().set_exception_handler(lambda loop, context: self._lost.append(context))
            logging.getLogger("ponder.server").addHandler(self._errors)
            runner.run(lifespan.__aenter__())
            yield
            runner.run(lifespan.__aexit__(None, None, None))
            logging.getLogger("ponder.server").removeHandler(self._errors)

    def ask_all(self, count: int, draw: Callable[[], tuple[str, bytes]]) -> None:
        """Ask for whatever `draw` draws, so many times, and check each answer."""
        self._runner.run(self._ask_all(count, draw))

    def ask(self, path: str, body: bytes, **how: Any) -> Response:
        """Ask once, and check the answer."""
        return self._runner.run(self._checked(path, body, **how))

    def check_rest(self) -> None:
        """Nothing runs on, nothing was lost, nothing broke."""
        self._runner.run(self._settle())
        assert len(self.app.state.runs) == 0
        assert not self._lost, self._lost[:3]
        assert not self._errors.records, self._errors.records[:3]

    async def _settle(self) -> None:
        async with asyncio.timeout(5):
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.01)

    async def _ask_all(self, count: int, draw: Callable[[], tuple[str, bytes]]) -> None:
        for _ in range(count):
            await self._checked(*draw())

    async def _checked(self, path: str, body: bytes, **how: Any) -> Response:
        for _ in range(3):  # what is slow is slow each time
            begun = _seconds()
            async with asyncio.timeout(30):
                response = await ask(self.app, body, path=path, **how)
            seconds = _seconds() - begun
            if seconds < PATIENCE_S:
                break
        self.slowest_s = max(self.slowest_s, seconds)
        self.statuses[path, response.status] += 1
        wrong = f"took {seconds:.2f} s" if seconds >= PATIENCE_S else _wrong(path, body, response)
        if wrong:
            shown = body[:2000] if len(body) > 2000 else body
            raise Wrong(f"{wrong}: {path} {shown!r} -> {response.status} {response.body[:800]!r}")
        return response


class _Errors(logging.Handler):
    """Keeps what the server logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


def _wrong(path: str, body: bytes, response: Response) -> str | None:
    """What is wrong with an answer."""
    if response.status == 200:
        return _wrong_answer(response)
    try:
        error = response.error
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return "an error must be JSON in OpenAI's shape"
    if error.keys() != {"message", "type", "param", "code"} or not error["message"]:
        return "an error must have a message, a type, a param and a code"
    if INTERNALS.search(response.body):
        return "an error must show no internals"
    if len(response.body) > LONGEST:
        return "an error must not repeat what came"
    if response.status == 503:
        return None if DECLARED.get(error["code"]) in response.headers else "a 503 must be declared"
    if response.status not in STATUSES:
        return "the status must be one that clients understand"
    return _wrong_param(path, body, error) if response.status == 400 else None


def _wrong_param(path: str, body: bytes, error: dict[str, Any]) -> str | None:
    param = error["param"]
    if param is None:
        return None if error["code"] in PLAIN else "a fault of a field must name it"
    root = re.split(r"[.\[]", param, maxsplit=1)[0]
    if not error["message"].startswith(param):
        return "a message must begin with its param"
    known = {key[:64] for key in orjson.loads(body)}
    return (
        None if root in known or root in NEEDED[path.rstrip("\n")] or param[:64] in known else "a param must be a field"
    )


def _wrong_answer(response: Response) -> str | None:
    if "text/event-stream" not in response.headers["content-type"]:
        if response.headers["content-type"] == "application/json" and response.body:
            orjson.loads(response.body)
        return None
    events = [line[6:] for line in response.body.split(b"\n") if line.startswith(b"data: ")]
    ends = events.pop() if events[-1] == b"[DONE]" else b""
    told = [orjson.loads(event) for event in events]
    is_ended = ends or told[-1].get("type") in ("response.completed", "response.incomplete", "response.failed")
    return None if is_ended else "a stream must end"


@cache
def _scheduled() -> int | None:
    """What Linux tells of how this thread was scheduled, as a file that stays open."""
    path = Path("/proc/thread-self/schedstat")
    return os.open(path, os.O_RDONLY) if path.exists() else None


def _seconds() -> float:
    """A clock that stands still while other processes keep this thread from the processor."""
    file = _scheduled()
    waited_ns = 0 if file is None else int(os.pread(file, 100, 0).split()[1])
    return time.perf_counter() - waited_ns / 1e9


def resident_mib() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20
