"""``/v1/chat/completions``: a request becomes a run, and its result an answer, whole or streamed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..pipeline import Pipeline
from .chat_wording import ChatWording
from .endpoint import CHAT, Job
from .overrides import with_sampling
from .served import Model
from .spoken import TextEndpoint
from .wire import ChatRequest, read_request


class ChatCompletions(TextEndpoint[ChatRequest]):
    """The endpoint of conversations."""

    prefix = "chatcmpl-"
    path = CHAT

    def read(self, data: Mapping[str, Any]) -> ChatRequest:
        return read_request(data)

    def prepared(self, model: Model, pipeline: Pipeline, asked: ChatRequest) -> Pipeline:
        return with_sampling(pipeline, asked)

    def wording(self, job: Job[ChatRequest]) -> ChatWording:
        asked, fingerprint = job.asked, job.pipeline.id
        told = (job.id, int(time.time()), job.model.name, fingerprint, asked.n, asked.stop, job.seed)
        return ChatWording(*told, includes_usage=asked.includes_usage)
