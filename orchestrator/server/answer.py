"""A result in OpenAI's words: the completion, the chunks of a stream, and what it all cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..types import Candidate, Finish, Result
from .account import account

PIECE = 48


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every body of one response repeats.

    Args:
        id: the completion's id.
        created: seconds since the epoch.
        model: the model's name.
        fingerprint: the id of the pipeline.
        includes_usage: whether the last chunk of a stream holds the usage, and the others say that they hold none.
    """

    id: str
    created: int
    model: str
    fingerprint: str
    includes_usage: bool = False

    def around(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """A whole body."""
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**head, "system_fingerprint": self.fingerprint, **content}

    def chunk(self, index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        """One chunk of a stream."""
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self.includes_usage else {}
        return self.around("chat.completion.chunk", {"choices": [choice], **usage})

    def opening(self, index: int) -> dict[str, Any]:
        """The chunk that begins an answer."""
        return self.chunk(index, {"role": "assistant", "content": ""})


@dataclass(frozen=True, slots=True)
class Answer:
    """A run's result, addressed to the request that asked for it.

    Args:
        envelope: what every body repeats.
        result: what the run returned.
        n: answers to give, best first; fewer where the run made fewer.
        stop: the client's stop strings; an answer ends before them.
        seed: what chose the draws.
    """

    envelope: Envelope
    result: Result
    n: int
    stop: Sequence[str]
    seed: int

    @property
    def chosen(self) -> tuple[Candidate, ...]:
        return self.result.candidates[: self.n]

    def completion(self) -> dict[str, Any]:
        """The body of a response that is not streamed."""
        choices = [
            {
                "index": i,
                "message": {"role": "assistant", "content": text_of(candidate, self.stop), "refusal": None},
                "logprobs": None,
                "finish_reason": finish_reason(candidate),
            }
            for i, candidate in enumerate(self.chosen)
        ]
        return self.envelope.around("chat.completion", {"choices": choices, "usage": self.usage()})

    def chunks(self) -> Iterator[dict[str, Any]]:
        """What follows the first chunk of a stream: the answers in pieces, how each ends, and the usage.

        The end of the last answer carries as ``ponder`` what the headers of a whole response say.
        """
        for i, candidate in enumerate(self.chosen):
            if i > 0:
                yield self.envelope.opening(i)
            text = text_of(candidate, self.stop)
            for start in range(0, len(text), PIECE):
                yield self.envelope.chunk(i, {"content": text[start : start + PIECE]})
            end = self.envelope.chunk(i, {}, finish_reason(candidate))
            yield {**end, "ponder": self.account()} if i == len(self.chosen) - 1 else end
        if self.envelope.includes_usage:
            yield self.envelope.around("chat.completion.chunk", {"choices": [], "usage": self.usage()})

    def usage(self) -> dict[str, Any]:
        """What the whole pipeline spent, judges included; all that is not in an answer counts as reasoning."""
        spent = self.result.usage
        answered = sum(candidate.generated_tokens for candidate in self.chosen)
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

    def account(self) -> dict[str, Any]:
        """The breakdown of the usage, why the run stopped, and the seed to ask for to get the same again."""
        return account(self.result, self.seed)


def finish_reason(candidate: Candidate) -> str:
    """``stop`` for a candidate that ended by itself, ``length`` for one that was cut."""
    return "stop" if candidate.finish.is_complete else "length"


def text_of(candidate: Candidate, stop: Sequence[str]) -> str:
    """The text of a candidate without the client's stop string that ended it."""
    text = candidate.text
    if candidate.finish is not Finish.STOP:
        return text
    return text[: len(text) - max((len(end) for end in stop if text.endswith(end)), default=0)]
