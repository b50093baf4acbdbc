"""A vocabulary that needs no file: one token a byte.

Token 0 ends a text; token ``b + 1`` is the byte ``b`` of its UTF-8 spelling. 257 tokens in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ..types import Message

END = 0
VOCABULARY = 257


def encode(text: str) -> tuple[int, ...]:
    """The tokens of `text`, one a UTF-8 byte.

    >>> encode("hi")
    (105, 106)
    """
    return tuple(byte + 1 for byte in text.encode())


def decode(tokens: Sequence[int]) -> str:
    """The text of `tokens`; the end token is no text, and a broken character shows as U+FFFD.

    >>> decode((105, 106, END))
    'hi'
    """
    return bytes(token - 1 for token in tokens if token != END).decode(errors="replace")


@lru_cache(maxsize=4096)
def count_messages(messages: tuple[Message, ...]) -> int:
    """Tokens of a conversation, each message rendered as ``role: content`` and a line end.

    >>> count_messages((Message(role="user", content="hi"),))
    9
    """
    return sum(len(f"{message.role}: {message.content}\n".encode()) for message in messages)
