"""The text that tokens add, told as soon as its characters are whole."""

from __future__ import annotations

from collections.abc import Sequence

from ..chat_tokens import ChatTokens

HALF = "\ufffd"
CONTEXT = 8


class Spelling:
    """The text of tokens that come one after the other, each part told once.

    What is told is the text of all less the text before, so that marks between words come out as in the whole. Where
    a token ends in the middle of a character, that is told with the token that completes it.

    Args:
        chat: the tokenizer.
        before: ids that stand before, whose text is not told.
    """

    def __init__(self, chat: ChatTokens, before: Sequence[int] = ()) -> None:
        self._chat = chat
        self._ids = list(before[-CONTEXT:])
        self._known = len(self._ids)
        while self._known and self._text(self._known).endswith(HALF):
            self._known -= 1

    def add(self, tokens: Sequence[int]) -> str:
        """What more tokens add."""
        self._ids += tokens
        known, whole = self._text(self._known), self._text(len(self._ids))
        if len(whole) <= len(known) or whole.endswith(HALF):
            return ""
        self._ids = self._ids[max(0, min(self._known, len(self._ids) - CONTEXT)) :]
        self._known = len(self._ids)
        return whole[len(known) :]

    def _text(self, end: int) -> str:
        return self._chat.decode(self._ids[:end])
