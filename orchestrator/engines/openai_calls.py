"""Calls of tools, as servers of OpenAI's chat read and write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..types import Message, ToolCall

Answering = Mapping[str, Any]


def calls_in(message: Answering) -> tuple[ToolCall, ...]:
    """The calls that an answer makes.

    Raises:
        KeyError, TypeError, ValueError: one is not of a function.
    """
    return tuple(
        ToolCall(id=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    )


def told_call(call: ToolCall) -> dict[str, Any]:
    """A call as the wire has it."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def told_calls(message: Message) -> dict[str, Any]:
    """What a turn that calls tools, or answers for one, holds besides."""
    if message.role == "tool":
        return {"tool_call_id": message.call_id}
    return {"content": message.content or None, "tool_calls": [told_call(call) for call in message.calls]}


def gathered(calls: dict[int, dict[str, Any]], deltas: list[Any]) -> None:
    """Add the parts of calls that one chunk of a stream brings to what came of them before, by their places."""
    for delta in deltas:
        call = calls.setdefault(delta["index"], {"id": None, "function": {"name": None, "arguments": ""}})
        said = delta.get("function") or {}
        call["id"] = call["id"] or delta.get("id")
        call["function"]["name"] = call["function"]["name"] or said.get("name")
        call["function"]["arguments"] += said.get("arguments") or ""
