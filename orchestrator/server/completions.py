"""``/v1/completions``: a prompt is asked as the one message of a user, and what answers it is its completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

from ..types import Candidate
from .chat import ChatCompletions
from .chat_wording import ChatWording, logprobs_of
from .completions_wire import WORDS, read_request
from .endpoint import COMPLETIONS
from .refusal import Refusal
from .spoken import finish_reason, text_of
from .wire import ChatRequest


@dataclass(frozen=True, slots=True)
class CompletionWording(ChatWording):
    """The words of one response to a prompt: chunks are worded as the whole is."""

    whole_kind: ClassVar[str] = "text_completion"
    chunk_kind: ClassVar[str] = "text_completion"

    def choice(self, index: int, candidate: Candidate) -> dict[str, Any]:
        text = text_of(candidate, self.stop)
        told = _legacy(logprobs_of(candidate, text)) if self.tells_logprobs else None
        return {"index": index, "text": text, "logprobs": told, "finish_reason": finish_reason(candidate)}

    def beginning(self) -> dict[str, Any]:
        return self.more("")

    def more(self, text: str) -> dict[str, Any]:
        return {"text": text}


class Completions(ChatCompletions):
    """The endpoint of prompts."""

    prefix = "cmpl-"
    path = COMPLETIONS
    words = CompletionWording

    def read(self, data: Mapping[str, Any]) -> ChatRequest:
        return read_request(data)

    def told(self, refusal: Refusal) -> Refusal:
        return WORDS.told(refusal)


def _legacy(told: Mapping[str, Any]) -> dict[str, Any]:
    """Log-probabilities as completions tell them."""
    tokens = [each["token"] for each in told["content"]]
    return {
        "tokens": tokens,
        "token_logprobs": [each["logprob"] for each in told["content"]],
        "top_logprobs": None,
        "text_offset": list(accumulate(map(len, tokens), initial=0))[: len(tokens)],
    }
