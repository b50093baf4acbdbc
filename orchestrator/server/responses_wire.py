"""What a client may send to ``/v1/responses``: everything is honoured or refused by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from . import wire
from .asked import Neutral, refuse
from .in_chat import Words, names
from .refusal import Refusal
from .shown import DETAILS

UNCALLED, UNKEPT = "ask for tools at /v1/chat/completions", "nothing is stored; send the whole conversation as input"
LOGPROBS, THOUGHTS = "message.output_text.logprobs", "reasoning.encrypted_content"
HOSTED = "it belongs to another service"

WORDS = Words(
    taken=names(
        "model input instructions max_output_tokens temperature top_p seed reasoning text include stream",
        "stream_options ponder metadata user store parallel_tool_calls prompt_cache_key safety_identifier service_tier",
    ),
    neutral={
        "access_programs": ((), HOSTED),
        "background": ((False,), "a request is answered while its client waits"),
        "background_options": ((), "a request is answered while its client waits"),
        "context_management": (([],), "nothing of the input is left out"),
        "conversation": ((), UNKEPT),
        "image": ((), "images are not compressed"),
        "max_tool_calls": ((), UNCALLED),
        "moderation": ((), "nothing is moderated"),
        "previous_response_id": ((), UNKEPT),
        "prompt": ((), "no prompts are stored; send the text as input"),
        "prompt_cache_options": (({}, {"mode": "implicit"}), "caches are the engine's own"),
        "prompt_cache_retention": (("in_memory",), "caches are the engine's own"),
        "tool_choice": (("none", "auto"), UNCALLED),
        "tools": (([],), UNCALLED),
        "top_logprobs": ((0,), "of each token only its own log-probability is told"),
        "truncation": (("disabled",), "nothing of the input is left out"),
    },
    from_chat={
        "messages": "input",
        "max_completion_tokens": "max_output_tokens",
        "reasoning_effort": "reasoning.effort",
        "logprobs": "include",
        "response_format.json_schema": "text.format",
        "response_format": "text.format",
    },
)
REASONING = Words(
    taken=names("effort"),
    neutral={
        "context": (("auto",), "there is one turn"),
        "generate_summary": (("auto",), "what is thought is not told"),
        "mode": (("standard",), "the pipeline fixes how it thinks"),
        "summary": (("auto",), "what is thought is not told"),
    },
)
TEXT = Words(
    taken=names("format"),
    neutral={"verbosity": (("medium",), "say it in the instructions")},
)
STREAM = Words(taken=names("include_obfuscation"))
ITEM = Words(taken=names("type role content id status phase"))
"""A message. The last three are copied back from an answer and have no effect, as the last of a text part."""
BREAKPOINT: Neutral = {"prompt_cache_breakpoint": ((), "caches are the engine's own")}
PARTS = {
    "input_text": Words(taken=names("type text"), neutral=BREAKPOINT),
    "output_text": Words(
        taken=names("type text logprobs"), neutral={"annotations": (([],), "they are no part of a text")}
    ),
    "input_image": Words(
        taken=names("type image_url detail"), neutral={**BREAKPOINT, "file_id": ((), "no files are stored")}
    ),
}


class ResponsesRequest(wire.ChatRequest):
    """A request for a response: the chat that it stands for, and what of its own words the response repeats."""

    instructions: str | None = None
    text_format: Mapping[str, Any]


def read_request(data: Mapping[str, Any]) -> ResponsesRequest:
    """The request in a parsed body: instructions are a message of the system before those of the input.

    Raises:
        Refusal: a parameter is missing, unknown, of a wrong type, out of range, or asks for what is not offered.
    """
    given = WORDS.given(data)
    turns = list(_turns(given.pop("input", None)))
    instructions = given.pop("instructions", None)
    if instructions is not None:
        turns.insert(0, ("instructions", {"role": "system", "content": _string("instructions", instructions)}))
    text_format = _inside(given, "text", TEXT).get("format")
    chat = {
        "messages": [turn for _, turn in turns],
        "max_completion_tokens": given.pop("max_output_tokens", None),
        "reasoning_effort": _inside(given, "reasoning", REASONING).get("effort"),
        "response_format": _response_format(text_format),
        "logprobs": _includes_logprobs(given.pop("include", [])),
        "stream_options": _inside(given, "stream_options", STREAM) or None,
    }
    places = [place for place, _ in turns]
    try:
        asked = wire.read_request({**given, **chat})
    except Refusal as refusal:
        raise WORDS.told(refusal, places) from None
    shown = tuple(replace(each, place=WORDS.named(each.place, places)) for each in asked.shown)
    own = {"instructions": instructions, "text_format": text_format or {"type": "text"}, "shown": shown}
    return ResponsesRequest.model_construct(**{**dict(asked), **own})


def _turns(said: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The messages of the input, and where each stands."""
    if isinstance(said, str):
        yield "input", {"role": "user", "content": said}
        return
    if not isinstance(said, list) or not said:
        raise refuse("input", "it must be a text or a list of messages; send one")
    for i, item in enumerate(said):
        if not isinstance(item, dict):
            raise refuse(f"input[{i}]", 'it must be a message such as {"role": "user", "content": "..."}')
        if not _is_empty_thought(item):
            yield f"input[{i}]", _turn(item, f"input[{i}]")


def _is_empty_thought(item: Mapping[str, Any]) -> bool:
    """Whether an item is reasoning that says nothing."""
    is_thought = item.get("type") == "reasoning"
    return is_thought and not any(item.get(key) for key in ("summary", "content", "encrypted_content"))


def _turn(item: Mapping[str, Any], place: str) -> dict[str, Any]:
    if item.get("type") not in (None, "message"):
        rule = "it must be message: tools are called in chats alone, and nothing is stored; leave it out"
        raise refuse(f"{place}.type", rule)
    given = ITEM.given(item, f"{place}.")
    content = given.get("content")
    if isinstance(content, list):
        content = [_part(part, f"{place}.content[{i}]") for i, part in enumerate(content)]
    return {"content": content, **({"role": given["role"]} if "role" in given else {})}


def _part(part: Any, place: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    words = PARTS.get(kind) if isinstance(kind, str) else None
    if words is None:
        raise refuse(place, f"its type must be one of {', '.join(PARTS)}; send text as input_text")
    given = words.given(part, f"{place}.")
    if kind == "input_image":
        if given.get("detail") not in DETAILS:
            raise refuse(f"{place}.detail", "it must be auto, low or high")
        shown = {"url": given.get("image_url"), **({"detail": given["detail"]} if "detail" in given else {})}
        return {"type": "image_url", "image_url": shown}
    return {"type": "text", "text": _string(f"{place}.text", given.get("text"))}


def _inside(given: dict[str, Any], key: str, words: Words) -> dict[str, Any]:
    """What is asked for inside an object, which is taken out of what is given."""
    value = given.pop(key, {})
    if not isinstance(value, dict):
        raise refuse(key, "it must be an object; leave it out")
    return words.given(value, f"{key}.")


def _response_format(text_format: Any) -> Any:
    """The form of a text as chat says it."""
    if not isinstance(text_format, dict) or text_format.get("type") != "json_schema":
        return text_format
    schema = {key: value for key, value in text_format.items() if key != "type"}
    return {"type": "json_schema", "json_schema": schema}


def _includes_logprobs(include: Any) -> bool:
    """Whether log-probabilities are to be told; there is no reasoning whose content could be."""
    if not isinstance(include, list) or any(each not in (THOUGHTS, LOGPROBS) for each in include):
        raise refuse("include", f"it may hold {LOGPROBS} and {THOUGHTS}, since answers have nothing else; leave it out")
    return LOGPROBS in include


def _string(place: str, value: Any) -> str:
    if not isinstance(value, str):
        raise refuse(place, "it must be a text")
    return value
