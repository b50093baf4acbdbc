"""What a client may send to ``/v1/chat/completions``: everything is honoured or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..images import Image
from ..types import Message
from .asked import Asked, Neutral, read, refuse
from .forms import ResponseFormat
from .shown import Shown, taken_out
from .tools import Calls, Choice, Tools, check_answered, tools_text

MOST_MESSAGES = 1000
MOST_STOPS = 4
CALLING = ("tool_calls", "tool_call_id")
LONGEST_STOP = 1024

NEUTRAL: Neutral = {
    "audio": ((), "answers are text"),
    "frequency_penalty": ((0,), "the pipeline fixes its penalties"),
    "function_call": (("none", "auto"), "functions are not called"),
    "functions": (([],), "functions are not called"),
    "logit_bias": (({},), "the pipeline fixes its logits"),
    "modalities": ((["text"],), "answers are text"),
    "moderation": ((), "nothing is moderated"),
    "prediction": ((), "nothing is predicted ahead"),
    "presence_penalty": ((0,), "the pipeline fixes its penalties"),
    "prompt_cache_options": (({}, {"mode": "implicit"}), "caches are the engine's own"),
    "prompt_cache_retention": (("in_memory",), "caches are the engine's own"),
    "top_logprobs": ((0,), "of each token only its own log-probability is told"),
    "verbosity": (("medium",), "say it in the messages"),
    "web_search_options": ((), "nothing is looked up"),
}
EMPTY_IN_MESSAGES = ("annotations", "audio", "function_call", "name", "reasoning_content", "refusal")
"""Keys that clients copy from an answer into the next request; they must be null or empty."""


def _text(content: object) -> object:
    """The text of a message: a string as it is, text parts joined by newlines as vLLM does."""
    if not isinstance(content, list):
        return content
    texts = [part["text"] for part in content if _is_text(part)]
    if len(texts) != len(content):
        raise ValueError('parts must be {"type": "text", "text": "..."} or images; audio and files are not taken')
    return "\n".join(texts)


def _is_text(part: object) -> bool:
    is_shaped = isinstance(part, dict) and part.keys() == {"type", "text"} and part["type"] == "text"
    return is_shaped and isinstance(part["text"], str)  # type: ignore[index]


def _stops(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


class ChatMessage(BaseModel):
    """One turn: its text, and the tools that it calls, or the call that it answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str, BeforeValidator(_text)]
    tool_calls: Calls = Field(default_factory=list)
    tool_call_id: str | None = None

    @property
    def message(self) -> Message:
        calls = tuple(each.call for each in self.tool_calls)
        return Message(role=self.role, content=self.content, calls=calls, call_id=self.tool_call_id or "")


class StreamOptions(BaseModel):
    """What a stream carries beside the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class ChatRequest(Asked):
    """A request for a text. The last block is taken and has no effect on the answer.

    `shown` are the images of its last message, and no parameter.
    """

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    shown: tuple[Shown, ...] = ()
    response_format: ResponseFormat = ResponseFormat()
    tools: Tools = Field(default_factory=list)
    tool_choice: Choice = None
    parallel_tool_calls: bool | None = None
    logprobs: bool = False
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: Annotated[list[Annotated[str, Field(min_length=1, max_length=LONGEST_STOP)]], BeforeValidator(_stops)] = (
        Field(default_factory=list, max_length=MOST_STOPS)
    )

    prompt_cache_key: str = ""
    service_tier: str = ""
    store: bool = False

    @property
    def conversation(self) -> tuple[Message, ...]:
        return tuple(message.message for message in self.messages)

    @cached_property
    def tools_text(self) -> str | None:
        """What is said of tools, as JSON; None where there are none."""
        return tools_text(self.tools, self.tool_choice, self.parallel_tool_calls)

    @property
    def of_tools(self) -> str:
        """Where a turn of the conversation calls a tool, or is what one returned; empty where none is."""
        places = (i for i, message in enumerate(self.messages) if message.tool_calls or message.role == "tool")
        return next((f"messages[{i}]" for i in places), "")

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(each.image for each in self.shown)

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with a chunk of usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def most_tokens(self) -> int | None:
        """Most tokens of an answer."""
        return min((v for v in (self.max_tokens, self.max_completion_tokens) if v is not None), default=None)


def read_request(data: Mapping[str, Any]) -> ChatRequest:
    """The request in a parsed body.

    Raises:
        Refusal: a parameter is missing, unknown, of a wrong type, out of range, or asks for what is not offered.
    """
    if "shown" in data:
        raise refuse("shown", "it is not a parameter of this server; leave it out", "unknown_parameter")
    messages: Any = data.get("messages")
    shown: tuple[Shown, ...] = ()
    if isinstance(messages, list) and len(messages) <= MOST_MESSAGES:
        messages, shown = taken_out([_plain_message(i, message) for i, message in enumerate(messages)])
    request = read(ChatRequest, {**data, "messages": messages, "shown": shown}, NEUTRAL)
    check_answered([(each.role, [call.id for call in each.tool_calls], each.tool_call_id) for each in request.messages])
    _ = request.tools_text
    if request.stream_options is not None and not request.stream:
        raise refuse("stream_options", "it must come with stream; set stream or leave it out")
    if request.logprobs and request.stream:
        raise refuse("logprobs", "they are told with whole answers alone; leave out stream, or this")
    return request


def _plain_message(place: int, message: Any) -> Any:
    """A message without the empty keys that clients copy from answers; one that calls tools may say nothing."""
    if not isinstance(message, dict):
        return message
    for key in EMPTY_IN_MESSAGES:
        if message.get(key) not in (None, []):
            raise refuse(f"messages[{place}].{key}", "it is not offered by this server; leave it out")
    said = {key: value for key, value in message.items() if key not in EMPTY_IN_MESSAGES}
    said = {key: value for key, value in said.items() if value is not None or key not in CALLING}
    if said.get("tool_calls") and said.get("content") is None:
        said["content"] = ""
    return said
