"""``/v1/chat/completions``: a request becomes a run, and its result an answer, whole or streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .chat_wording import ChatWording
from .endpoint import CHAT, Job
from .spoken import TextEndpoint
from .wire import ChatRequest, read_request


class ChatCompletions(TextEndpoint[ChatRequest]):
    """The endpoint of conversations."""

    prefix = "chatcmpl-"
    path = CHAT
    words: ClassVar[type[ChatWording]] = ChatWording

    def read(self, data: Mapping[str, Any]) -> ChatRequest:
        return read_request(data)

    def wording(self, job: Job[ChatRequest], created: int) -> ChatWording:
        asked, fingerprint = job.asked, job.model.fingerprint(job.pipeline)
        told = (job.id, created, job.model.name, fingerprint, asked.n, asked.stop, job.seed)
        return self.words(*told, includes_usage=asked.includes_usage, tells_logprobs=asked.logprobs)
