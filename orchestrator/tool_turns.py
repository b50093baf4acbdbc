"""Conversations in which tools were called: who can read them."""

from __future__ import annotations

from collections.abc import Sequence

from .engine import Capabilities
from .errors import EngineRefused
from .types import Message


def of_tools(message: Message) -> bool:
    """Whether a turn calls tools, or is what one returned."""
    return bool(message.calls) or message.role == "tool"


def check_turns(capabilities: Capabilities, messages: Sequence[Message], engine: str) -> None:
    """Refuse a conversation that the engine cannot read.

    Raises:
        EngineRefused: tools were called in it, and the engine has none.
    """
    if not capabilities.tools and any(map(of_tools, messages)):
        raise EngineRefused(
            f"engine {engine} must read a conversation in which tools were called, but cannot; use a chat server that "
            "calls tools, or leave those turns out"
        )
