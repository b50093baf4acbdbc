"""A vocabulary that needs no file: one token a byte.

Token 0 ends a text; token ``b + 1`` is the byte ``b`` of its UTF-8 spelling: 257 tokens in all. Beyond them stand three
marks, each one token: ``<eval>`` asks the model to judge what stands before it, ``<no>`` and ``<yes>`` are its answers.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Sequence
from functools import lru_cache

from ..types import Message

END = 0
VOCABULARY = 257
MARKS = {"<eval>": 257, "<no>": 258, "<yes>": 259}
_MARK = re.compile("(" + "|".join(MARKS) + ")")


def encode(text: str) -> tuple[int, ...]:
    """The tokens of `text`, one a UTF-8 byte and one a mark.

    >>> encode("hi<eval>")
    (105, 106, 257)
    """
    if "<" not in text:
        return encode_bytes(text)
    parts = _MARK.split(text)
    return tuple(token for part in parts for token in ((MARKS[part],) if part in MARKS else encode_bytes(part)))


def encode_bytes(text: str) -> tuple[int, ...]:
    """The tokens of `text`, marks spelled out."""
    return tuple(byte + 1 for byte in text.encode())


def decode(tokens: Sequence[int]) -> str:
    """The text of `tokens`; the end token and marks are no text, and a broken character shows as U+FFFD.

    >>> decode((105, 106, END))
    'hi'
    """
    return bytes(token - 1 for token in tokens if END < token < VOCABULARY).decode(errors="replace")


def whole(tokens: Sequence[int]) -> str:
    """The text of `tokens` without a character that they only begin.

    >>> whole(encode("aé")[:2]), whole(encode("aé"))
    ('a', 'aé')
    """
    spelt = bytes(token - 1 for token in tokens if END < token < VOCABULARY)
    return getincrementaldecoder("utf-8")("replace").decode(spelt)


@lru_cache(maxsize=4096)
def count_messages(messages: tuple[Message, ...]) -> int:
    """Tokens of a conversation, each message rendered as ``role: content`` and a line end.

    >>> count_messages((Message(role="user", content="hi"),))
    9
    """
    return sum(len(f"{message.role}: {message.content}\n".encode()) for message in messages)
