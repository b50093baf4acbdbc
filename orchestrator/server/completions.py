"""``/v1/completions``: a prompt is asked as the one message of a user, and what answers it is its completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..types import Candidate
from .chat import ChatCompletions
from .chat_wording import ChatWording
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
        said = self.more(text_of(candidate, self.stop))
        return {"index": index, **said, "logprobs": None, "finish_reason": finish_reason(candidate)}

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
