"""A result in the words of ``/v1/responses``: the response, or the events of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ..types import Candidate, Result
from .bill import bill
from .chat_wording import PIECE, logprobs_of, token_usage
from .refusal import Refusal
from .responses_wire import ResponsesRequest
from .spoken import Event, text_of

PLACE = {"output_index": 0, "content_index": 0}


@dataclass(frozen=True, slots=True)
class ResponsesWording:
    """The words of one response. Its events are numbered in the order in which they are asked for.

    Args:
        id: of the response.
        model: the model's name.
        asked: what it answers, and repeats.
        seed: what chose the draws.
        created: seconds since the epoch.
    """

    id: str
    model: str
    asked: ResponsesRequest
    seed: int
    created: int
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def stop(self) -> list[str]:
        return self.asked.stop

    @property
    def item_id(self) -> str:
        """Of the message that is the answer."""
        return "msg_" + self.id.rpartition("_")[2]

    def whole(self, result: Result) -> dict[str, Any]:
        """The response. It is incomplete where its text was cut, whatever else the budget ended."""
        best = result.candidates[0]
        is_whole = best.finish.is_complete
        return {
            **self._response("completed" if is_whole else "incomplete"),
            "incomplete_details": None if is_whole else {"reason": "max_output_tokens"},
            "output": [self._message(best)],
            "usage": usage(result),
            "ponder": bill(result, self.seed),
        }

    def opening(self) -> Iterable[Event]:
        """The events that begin a response, and the message in it, and the text in that."""
        begun = self._response("in_progress")
        yield self._event("response.created", response=begun)
        yield self._event("response.in_progress", response=begun)
        empty = {"id": self.item_id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        yield self._event("response.output_item.added", output_index=0, item=empty)
        yield self._event("response.content_part.added", item_id=self.item_id, **PLACE, part=_part(""))

    def piece(self, text: str) -> Event:
        """The event that says more of the text."""
        return self._event("response.output_text.delta", item_id=self.item_id, **PLACE, delta=text, logprobs=[])

    def rest(self, result: Result, said: int) -> Iterator[Event]:
        """The text in pieces, and the ends of all that was begun; the last event holds the whole response."""
        response = self.whole(result)
        (message,) = response["output"]
        (part,) = message["content"]
        text = part["text"]
        for start in range(said, len(text), PIECE):
            yield self.piece(text[start : start + PIECE])
        yield self._event("response.output_text.done", item_id=self.item_id, **PLACE, text=text, logprobs=[])
        yield self._event("response.content_part.done", item_id=self.item_id, **PLACE, part=part)
        yield self._event("response.output_item.done", output_index=0, item=message)
        yield self._event(f"response.{response['status']}", response=response)

    def failure(self, refusal: Refusal) -> Event:
        """The event that ends a response with an error, which has one of OpenAI's codes."""
        code = "server_error" if refusal.status >= 500 else "invalid_prompt"
        code = "rate_limit_exceeded" if refusal.status in (402, 429) else code
        error = {"code": code, "message": str(refusal), "param": refusal.param, "type": refusal.kind}
        return self._event("response.failed", response={**self._response("failed"), "error": error})

    def _event(self, kind: str, **content: Any) -> Event:
        return {"type": kind, "sequence_number": next(self.numbers), **content}

    def _message(self, best: Candidate) -> dict[str, Any]:
        status = "completed" if best.finish.is_complete else "incomplete"
        text = text_of(best, self.stop)
        told = logprobs_of(best, text)["content"] if self.asked.logprobs else []
        content = [{**_part(text), "logprobs": told}]
        return {"id": self.item_id, "type": "message", "role": "assistant", "status": status, "content": content}

    def _response(self, status: str) -> dict[str, Any]:
        """A response without an answer: what was asked, and that nothing is stored."""
        asked = self.asked
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.most_tokens,
            "metadata": asked.metadata,
            "model": self.model,
            "output": [],
            "parallel_tool_calls": bool(asked.parallel_tool_calls),
            "previous_response_id": None,
            "reasoning": {"effort": asked.reasoning_effort, "summary": None},
            "store": False,
            "temperature": asked.temperature,
            "text": {"format": asked.text_format},
            "tool_choice": "auto",
            "tools": [],
            "top_p": asked.top_p,
            "truncation": "disabled",
            "usage": None,
            "user": asked.user or None,
        }


def usage(result: Result) -> dict[str, Any]:
    """What the whole pipeline spent, judges included; all that is not in the answer counts as reasoning."""
    spent = token_usage(result, 1)
    return {
        "input_tokens": spent["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": spent["prompt_tokens_details"]["cached_tokens"],
            "cache_write_tokens": 0,
        },
        "output_tokens": spent["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": spent["completion_tokens_details"]["reasoning_tokens"]},
        "total_tokens": spent["total_tokens"],
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
