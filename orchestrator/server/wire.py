"""What a client may send to ``/v1/chat/completions``: everything is honoured or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..budget import Budget
from ..types import Message
from .refusal import SHOWN, Refusal

MOST_MESSAGES = 1000
MOST_ANSWERS = 128
MOST_STOPS = 4
MOST_AMOUNT = 1e9

NEUTRAL: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "audio": ((), "answers are text"),
    "frequency_penalty": ((0,), "the pipeline fixes its penalties"),
    "function_call": (("none", "auto"), "functions are not called"),
    "functions": (([],), "functions are not called"),
    "logit_bias": (({},), "the pipeline fixes its logits"),
    "logprobs": ((False,), "log-probabilities are not given"),
    "modalities": ((["text"],), "answers are text"),
    "presence_penalty": ((0,), "the pipeline fixes its penalties"),
    "reasoning_effort": ((), "the pipeline fixes its effort; bound it with ponder.budget"),
    "response_format": (({"type": "text"},), "answers are plain text"),
    "tool_choice": (("none", "auto"), "tools are not called"),
    "tools": (([],), "tools are not called"),
    "top_logprobs": ((), "log-probabilities are not given"),
}
"""Parameters of OpenAI's that may be sent only with a value that asks for nothing, and why."""

EMPTY_IN_MESSAGES = ("annotations", "audio", "function_call", "name", "reasoning_content", "refusal", "tool_calls")
"""Keys that clients copy from an answer into the next request; they must be null or empty."""


def _text(content: object) -> object:
    """The text of a message: a string as it is, text parts joined by newlines as vLLM does."""
    if not isinstance(content, list):
        return content
    texts = [part["text"] for part in content if _is_text(part)]
    if len(texts) != len(content):
        raise ValueError('parts must be {"type": "text", "text": "..."}; images, audio and files are not taken')
    return "\n".join(texts)


def _is_text(part: object) -> bool:
    is_shaped = isinstance(part, dict) and part.keys() == {"type", "text"} and part["type"] == "text"
    return is_shaped and isinstance(part["text"], str)  # type: ignore[index]


def _stops(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


class ChatMessage(BaseModel):
    """One turn, text only."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_text)]


class StreamOptions(BaseModel):
    """What a stream carries beside the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class Extension(BaseModel):
    """What only ponder knows: ``extra_body={"ponder": {"budget": {"total_tokens": 20000}}}``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    budget: Budget = Budget()


class ChatRequest(BaseModel):
    """A request in OpenAI's words. The last block is taken and has no effect on the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] = 1
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: Annotated[
        list[Annotated[str, Field(min_length=1)]], BeforeValidator(_stops), Field(max_length=MOST_STOPS)
    ] = []
    ponder: Extension = Extension()

    metadata: dict[str, str] = {}
    parallel_tool_calls: bool = False
    prompt_cache_key: str = ""
    safety_identifier: str = ""
    service_tier: str = ""
    store: bool = False
    user: str = ""

    @property
    def conversation(self) -> tuple[Message, ...]:
        return tuple(Message(role=message.role, content=message.content) for message in self.messages)

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with a chunk of usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def most_tokens(self) -> int | None:
        """Most tokens of an answer."""
        return min((v for v in (self.max_tokens, self.max_completion_tokens) if v is not None), default=None)


def read_request(data: Mapping[str, Any]) -> ChatRequest:
    """The request in a parsed body; null stands for absent, as in OpenAI's API.

    Raises:
        Refusal: a parameter is missing, unknown, of a wrong type, out of range, or asks for what is not offered.
    """
    given = {key: value for key, value in data.items() if value is not None or not _is_known(key)}
    given = {key: value for key, value in given.items() if not _asks_nothing(key, value)}
    given["messages"] = _plain_messages(given.get("messages"))
    try:
        request = ChatRequest.model_validate(given, strict=True)
    except ValidationError as error:
        raise _refused(error) from None
    if request.stream_options is not None and not request.stream:
        raise _refuse("stream_options", "it must come with stream; set stream or leave it out")
    _check_amounts(request.ponder.budget)
    return request


def _is_known(key: str) -> bool:
    return key in NEUTRAL or key in ChatRequest.model_fields


def _asks_nothing(key: str, value: Any) -> bool:
    """Whether a parameter that is not offered is sent with a value that asks for nothing."""
    if key not in NEUTRAL:
        return False
    neutral, reason = NEUTRAL[key]
    if not any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in neutral):
        raise _refuse(key, f"it is not offered by this server: {reason}; leave it out", "unsupported_parameter")
    return True


def _plain_messages(messages: Any) -> Any:
    """The messages without the empty keys that clients copy from answers."""
    if not isinstance(messages, list):
        return messages
    return [_plain_message(i, message) for i, message in enumerate(messages)]


def _plain_message(place: int, message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    for key in EMPTY_IN_MESSAGES:
        if message.get(key) not in (None, []):
            raise _refuse(f"messages[{place}].{key}", "it is not offered by this server; leave it out")
    return {key: value for key, value in message.items() if key not in EMPTY_IN_MESSAGES}


def _check_amounts(budget: Budget) -> None:
    for name in ("seconds", "cost_usd"):
        if (getattr(budget, name) or 0) > MOST_AMOUNT:
            raise _refuse(f"ponder.budget.{name}", f"it must be at most {MOST_AMOUNT:g}; leave it out for no limit")


def _refused(error: ValidationError) -> Refusal:
    """The first problem, by the name of its parameter; the values that came are not repeated."""
    issue = error.errors(include_url=False, include_context=False, include_input=False)[0]
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:SHOWN]}" for part in issue["loc"])
    if issue["type"] == "extra_forbidden":
        return _refuse(param[1:], "it is not a parameter of this server; leave it out", "unknown_parameter")
    return _refuse(param[1:], issue["msg"].removeprefix("Value error, "))


def _refuse(param: str, rule: str, code: str = "invalid_value") -> Refusal:
    return Refusal(400, f"{param}: {rule}", param=param, code=code)
