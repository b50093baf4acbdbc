"""A result in the words of ``/v1/chat/completions``: the completion, or the chunks of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from ..engines.openai_calls import told_call
from ..types import Candidate, Result, Usage
from .asked import refuse
from .bill import bill
from .refusal import Refusal
from .spoken import Event, finish_reason, text_of

PIECE = 48


@dataclass(frozen=True, slots=True)
class ChatWording:
    """The words of one chat response.

    Args:
        id: the completion's id.
        created: seconds since the epoch.
        model: the model's name.
        fingerprint: the id of the pipeline.
        n: answers to give, best first; fewer where the run made fewer.
        stop: the client's stop strings.
        seed: what chose the draws.
        includes_usage: whether the last chunk of a stream holds the usage, and the others say that they hold none.
        tells_logprobs: whether whole answers come with the log-probability of each token.
    """

    id: str
    created: int
    model: str
    fingerprint: str
    n: int
    stop: list[str]
    seed: int
    includes_usage: bool = False
    tells_logprobs: bool = False

    whole_kind: ClassVar[str] = "chat.completion"
    chunk_kind: ClassVar[str] = "chat.completion.chunk"

    def whole(self, result: Result) -> dict[str, Any]:
        """The completion."""
        choices = [self.choice(i, candidate) for i, candidate in enumerate(result.candidates[: self.n])]
        told = {"usage": token_usage(result, self.n), "ponder": bill(result, self.seed)}
        return self._around(self.whole_kind, {"choices": choices, **told})

    def choice(self, index: int, candidate: Candidate) -> dict[str, Any]:
        """One answer of a completion."""
        text, calls = text_of(candidate, self.stop), [told_call(call) for call in candidate.calls]
        content = text if text or not calls else None
        told_calls = {"tool_calls": calls} if calls else {}
        message = {"role": "assistant", "content": content, "refusal": None, **told_calls}
        told = logprobs_of(candidate, text) if self.tells_logprobs else None
        return {"index": index, "message": message, "logprobs": told, "finish_reason": finish_reason(candidate)}

    def beginning(self) -> dict[str, Any]:
        """What a chunk holds that begins an answer."""
        return {"delta": {"role": "assistant", "content": ""}}

    def more(self, text: str) -> dict[str, Any]:
        """What a chunk holds that says more of one, or no more."""
        return {"delta": {"content": text} if text else {}}

    def opening(self) -> Iterable[Event]:
        """The chunk that begins the first answer."""
        return [self._chunk(0, self.beginning())]

    def piece(self, text: str) -> Event:
        """A chunk with more of the first answer."""
        return self._chunk(0, self.more(text))

    def rest(self, result: Result, said: int) -> Iterator[Event]:
        """The answers in pieces, how each ends, and the usage.

        The end of the last answer carries as ``ponder`` what the headers of a whole response say.
        """
        chosen = result.candidates[: self.n]
        for i, candidate in enumerate(chosen):
            if i > 0:
                yield self._chunk(i, self.beginning())
            text = text_of(candidate, self.stop)[said if i == 0 else 0 :]
            for start in range(0, len(text), PIECE):
                yield self._chunk(i, self.more(text[start : start + PIECE]))
            for place, call in enumerate(candidate.calls):
                yield self._chunk(i, {"delta": {"tool_calls": [{"index": place, **told_call(call)}]}})
            end = self._chunk(i, self.more(""), finish_reason(candidate))
            yield {**end, "ponder": bill(result, self.seed)} if i == len(chosen) - 1 else end
        if self.includes_usage:
            yield self._around(self.chunk_kind, {"choices": [], "usage": token_usage(result, self.n)})

    def failure(self, refusal: Refusal) -> Event:
        """The error, as the SDK expects it."""
        failed: Event = orjson.loads(refusal.body())
        return failed

    def _around(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**head, "system_fingerprint": self.fingerprint, **content}

    def _chunk(self, index: int, said: dict[str, Any], finish: str | None = None) -> Event:
        choice = {"index": index, **said, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self.includes_usage else {}
        return self._around(self.chunk_kind, {"choices": [choice], **usage})


def logprobs_of(candidate: Candidate, text: str) -> dict[str, Any]:
    """The log-probability of each token of an answer, which may end before its candidate does.

    Raises:
        Refusal: the engine did not tell them.
    """
    if text and (candidate.pieces is None or candidate.logprobs is None):
        raise refuse("logprobs", "the engine behind this model did not tell them; leave it out")
    content, length = list[dict[str, Any]](), 0
    for piece, logprob in zip(candidate.pieces or (), candidate.logprobs or (), strict=True):
        if length >= len(text):
            break
        length += len(piece)
        content.append({"token": piece, "logprob": logprob, "bytes": [*piece.encode()], "top_logprobs": []})
    return {"content": content, "refusal": None}


def token_usage(result: Result, n: int) -> dict[str, Any]:
    """What the whole pipeline spent, judges included; all that is not in one of the `n` answers counts as reasoning."""
    spent: Usage = result.usage
    answered = sum(candidate.generated_tokens for candidate in result.candidates[:n])
    return {
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "total_tokens": spent.total_tokens,
        "prompt_tokens_details": {"cached_tokens": spent.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": max(0, spent.completion_tokens - answered),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
