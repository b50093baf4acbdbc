"""``/v1/responses``: a request becomes a run, and its best answer a response, whole or streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .endpoint import RESPONSES, Job
from .refusal import Refusal
from .responses_wire import WORDS, ResponsesRequest, read_request
from .responses_wording import ResponsesWording
from .spoken import TextEndpoint


class Responses(TextEndpoint[ResponsesRequest]):
    """The endpoint of responses. Nothing is stored: a conversation is sent whole each time."""

    prefix = "resp_"
    path = RESPONSES
    ends_with_done = False

    def read(self, data: Mapping[str, Any]) -> ResponsesRequest:
        return read_request(data)

    def told(self, refusal: Refusal) -> Refusal:
        return WORDS.told(refusal)

    def wording(self, job: Job[ResponsesRequest], created: int) -> ResponsesWording:
        return ResponsesWording(job.id, job.model.name, job.asked, job.seed, created)
