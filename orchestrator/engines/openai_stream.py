"""A streamed answer of an OpenAI-compatible server: server-sent events, gathered into the answer they make up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import orjson

from ..engine import Progress, Watch
from .openai_calls import gathered
from .openai_wire import broken

END = b"[DONE]"
LAST = ("finish_reason", "stop_reason")


class Events:
    """Cuts a stream of bytes into the data of its events, one line each.

    >>> events = Events()
    >>> list(events.of(b'data: {"a": 1}\\n\\nda')), list(events.of(b"ta: [DONE]\\n\\n"))
    ([b'{"a": 1}'], [b'[DONE]'])
    """

    def __init__(self) -> None:
        self._rest = b""

    def of(self, part: bytes) -> Iterator[bytes]:
        """The data of each event that is whole after this part."""
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()


class Gathering:
    """Puts the chunks of one answer together, and tells a watch how far it has come by the token ids in them."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._texts: list[str] = []
        self._ids: list[int] = []
        self._logprobs: defaultdict[str, list[Any]] = defaultdict(list)
        self._calls: dict[int, dict[str, Any]] = {}
        self._last: dict[str, Any] = {}
        self._usage: Any = None

    def take(self, data: bytes) -> None:
        """Take one event.

        Raises:
            EngineUnavailable: it is no part of an answer.
        """
        if data == END:
            return
        try:
            chunk = orjson.loads(data)
            self._usage = chunk.get("usage") or self._usage
            for choice in chunk["choices"]:
                self._add(choice)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise broken(data, error) from None

    def answer(self) -> bytes:
        """The whole answer as a server gives it that does not stream; only what came is in it."""
        calls = [self._calls[place] for place in sorted(self._calls)]
        choice = {"text": "".join(self._texts), "token_ids": self._ids, "tool_calls": calls, **self._last}
        if self._logprobs:
            choice["logprobs"] = self._logprobs
        return orjson.dumps({"choices": [choice], "usage": self._usage})

    def _add(self, choice: dict[str, Any]) -> None:
        text = (choice["delta"].get("content") if "delta" in choice else choice["text"]) or ""
        self._texts.append(text)
        self._ids += choice.get("token_ids") or ()
        gathered(self._calls, (choice.get("delta") or {}).get("tool_calls") or [])
        for name, values in (choice.get("logprobs") or {}).items():
            self._logprobs[name] += values or ()
        self._last |= {name: choice[name] for name in LAST if choice.get(name) is not None}
        self._watch(Progress(len(self._ids), text))
