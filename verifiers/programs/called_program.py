"""A program whose functions are called from out here, while it runs in a sandbox."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import orjson

from ..sandbox import Limits, Ran, Session, opened
from .harness import harness
from .plain_comparison import spelled

RESTARTS = 3
"""How often a program that was lost is started again."""
Loss = Literal["no_output", "timeout", "memory", "crash"]
LOST: Mapping[str, Loss] = {"timeout": "timeout", "memory": "memory", "too_much_output": "no_output"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to.

    Args:
        status: how it ended; ``no_output`` where it gave a value that is not plain, or too much; ``crash`` where it
            raised something, or ended.
        form: the JSON of the value it returned.
        error: the name of what it raised, if it did.
        text: what the error or the loss says of itself, as the program would have it.
    """

    status: Literal["returned"] | Loss
    form: Any = None
    error: str = ""
    text: str = ""


class CalledProgram:
    """A program that is started at the first call, and again after a call in which it was lost.

    Within one start its calls may take `limits.wall_s` together. After `RESTARTS` losses, or where it cannot even be
    loaded, every call is answered as the last.

    Args:
        text: the program.
        prefix: code that stands before it.
        entry_point: where the text does not define this name, it goes on where the prefix ends.
        limits: what it may use in one start.
        readable: folders it may read and import from.
    """

    def __init__(self, text: str, prefix: str, entry_point: str, limits: Limits, readable: Sequence[Path] = ()) -> None:
        self._load = {"text": text, "prefix": prefix, "entry_point": entry_point}
        self._limits, self._readable = limits, readable
        self._stack = AsyncExitStack()
        self._session: Session | None = None
        self._left_s = limits.wall_s
        self._losses = 0
        self._final: Answer | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def start(self) -> None:
        """Have it ready for its next call, where it is not."""
        if self._session is not None or self._final is not None:
            return
        self._left_s = self._limits.wall_s
        opening = opened(harness("program_worker"), limits=self._limits, readable=self._readable)
        self._session = await self._stack.enter_async_context(opening)
        loaded = await self._exchange(self._session, self._load)
        if loaded.status != "returned":
            self._final = loaded
        self._left_s = self._limits.wall_s

    async def call(self, function: str, args: Sequence[object], kwargs: Mapping[str, object]) -> Answer:
        """What a call with these arguments, given as their JSON, comes to."""
        await self.start()
        if self._final is not None or self._session is None:
            return self._final or Answer("crash")
        request = {"function": function, "args": list(args), "kwargs": dict(kwargs)}
        return await self._exchange(self._session, request)

    async def _exchange(self, session: Session, request: Mapping[str, object]) -> Answer:
        number, begun = secrets.token_hex(8), time.monotonic()
        await session.send(json.dumps({"id": number, **request}).encode(), self._left_s)
        line = await session.receive()
        took_s = time.monotonic() - begun
        if took_s < self._left_s:  # or our event loop stood still, and nobody knows how long it took
            self._left_s -= took_s
        if line is None:
            return await self._lost(_loss(await session.end()))
        return _read(line, number) or await self._lost(Answer("crash", text="it wrote what answers no call"))

    async def _lost(self, answer: Answer) -> Answer:
        self._session = None
        await self._stack.aclose()
        self._losses += 1
        if self._losses > RESTARTS:
            self._final = answer
        return answer


def _loss(ran: Ran) -> Answer:
    return Answer(LOST.get(ran.status, "crash"), text=last_line(ran))


def last_line(ran: Ran) -> str:
    """The last thing it wrote to its error output, or else how it ended."""
    lines = ran.stderr.decode("utf-8", "replace").strip().splitlines()
    if lines:
        return lines[-1][:200]
    return "it was ended" if ran.exit_code is None else f"it ended with exit code {ran.exit_code}"


def _read(line: bytes, number: str) -> Answer | None:
    """The answer in a reply; None where it is no reply to that request."""
    try:
        reply = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(reply, dict) or reply.pop("id", None) != number:
        return None
    if reply.keys() == {"value"}:
        return _returned(reply["value"])
    if reply.keys() == {"odd"} and isinstance(reply["odd"], str):
        return Answer("no_output", text=reply["odd"][:200])
    if reply.keys() == {"raised", "text"} and all(isinstance(part, str) for part in reply.values()):
        name, text = reply["raised"][:80], reply["text"][:200]
        return Answer("memory" if name == "MemoryError" else "crash", error=name, text=text)
    return None


def _returned(form: object) -> Answer:
    try:
        spelled(form)
    except ValueError as error:
        return Answer("no_output", text=str(error)[:200])
    return Answer("returned", form)
