"""Turns conversations into token ids with a model's own tokenizer and chat template."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from ..engine import Prompt
from ..errors import EngineRefused
from ..types import Message
from .vllm_model import ModelFiles

KEPT = 4096
ZERO_WIDTH = "\u200b"
BROKEN = "\ufffd"


class ChatTokens:
    """The tokenizer of a model, with a cache of rendered conversations.

    A model without a chat template gets the contents of the messages, one after the other with nothing between. The
    role `developer` is rendered as `system`, which is what templates know. No message can end its turn or begin
    another: where it holds the text of a special token, a zero-width space parts that. A prompt without messages is a
    plain text with the tokenizer's own special tokens.

    Args:
        tokenizer: a transformers tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._rendered: OrderedDict[tuple[Message, ...], tuple[int, ...]] = OrderedDict()

    @classmethod
    def of(cls, files: ModelFiles) -> ChatTokens:
        """The tokenizer of a model.

        Raises:
            EngineRefused: it has none.
        """
        from transformers import AutoTokenizer

        try:
            return cls(AutoTokenizer.from_pretrained(files.source, revision=files.revision))
        except (OSError, ValueError) as error:
            raise EngineRefused(f"model must hold a tokenizer, {files.name!r} has none: {error}") from error

    def prompt(self, prompt: Prompt) -> list[int]:
        """The ids of the conversation, ready for an answer, and of what was already generated after it.

        A model whose output layer is wider than its vocabulary may generate ids beyond it, which have no text. They are
        left out: an engine may refuse them, and no model has learnt to read them.

        Raises:
            EngineRefused: the model's chat template does not take such a conversation.
        """
        ids = self.conversation(prompt.messages)
        if prompt.tokens:
            return [*ids, *(token for token in prompt.tokens if token <= self._last_id)]
        return [*ids, *self.encode(prompt.text)] if prompt.text else list(ids)

    def reading(self, prompt: Prompt, mark: int | None) -> list[int]:
        """The ids of a prompt to be read; `mark` is a token by itself wherever its text stands in what was generated.

        But for the mark, and at the edges of the text, nothing there is read as a special token.

        Raises:
            EngineRefused: as for `prompt`, or the mark has no text.
        """
        end = len(prompt.text) - prompt.edges[1]
        opening, text, closing = prompt.text[: prompt.edges[0]], prompt.text[prompt.edges[0] : end], prompt.text[end:]
        ids = [*self.conversation(prompt.messages), *(self.encode(opening) if opening else [])]
        for i, piece in enumerate([text] if mark is None else text.split(self.text_of(mark))):
            if i and mark is not None:
                ids.append(mark)
            ids += [token for token in self.encode(self._parted(piece)) if token != mark] if piece else []
        ids += self.encode(closing) if closing else []
        return ids if prompt.messages else [*ids, *self._around[1]]

    def text_of(self, token: int) -> str:
        """The text that a token adds to another.

        Raises:
            EngineRefused: it adds none.
        """
        first = self.encode("a")
        known = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
        text = str(self.tokenizer.decode([*first, token], **known))[len(self.tokenizer.decode(first, **known)) :]
        if not text:
            raise EngineRefused(f"step_mark must be a token with a text, got {token}; name the one that ends a step")
        return text

    def conversation(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        """The ids of a conversation, ready for an answer; of none, the special tokens that begin a text."""
        if not messages:
            return self._around[0]
        found = self._rendered.get(messages)
        if found is not None:
            self._rendered.move_to_end(messages)
            return found
        ids = tuple(self._render(messages))
        self._rendered[messages] = ids
        if len(self._rendered) > KEPT:
            self._rendered.popitem(last=False)
        return ids

    @cached_property
    def _around(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The special tokens that the tokenizer puts before and after a text by itself."""
        bare, whole = self.encode("a"), list(self.tokenizer.encode("a"))
        start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
        return tuple(whole[:start]), tuple(whole[start + len(bare) :])

    @cached_property
    def _special(self) -> re.Pattern[str]:
        """The text of any special token of more than one character."""
        added = [str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        texts = sorted({text for text in added if len(text) > 1}, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, texts)) or r"(?!)")

    def _parted(self, content: str) -> str:
        """`content`, no part of which is read as a special token."""
        return self._special.sub(lambda found: f"{found[0][0]}{ZERO_WIDTH}{found[0][1:]}", content)

    @cached_property
    def _last_id(self) -> int:
        return int(max(self.tokenizer.get_vocab().values()))

    def encode(self, text: str) -> list[int]:
        """The ids of a text that continues something: no beginning-of-text mark is added."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: list[int]) -> str:
        """The text of ids, special tokens left out."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def pieces(self, ids: Sequence[int]) -> tuple[str, ...]:
        """What each id adds to the text of those before it; nothing where it only begins a character."""
        found, begin, end = list[str](), 0, 0
        for i in range(1, len(ids) + 1):
            before, now = self.decode(list(ids[begin:end])), self.decode(list(ids[begin:i]))
            is_whole = len(now) > len(before) and not now.endswith(BROKEN)
            found.append(now[len(before) :] if is_whole else "")
            begin, end = (end, i) if is_whole else (begin, end)
        return tuple(found)

    def _render(self, messages: tuple[Message, ...]) -> list[int]:
        if not getattr(self.tokenizer, "chat_template", None):
            return list(self.tokenizer.encode("".join(self._parted(message.content) for message in messages)))
        turns = [{"role": _role(message.role), "content": self._parted(message.content)} for message in messages]
        try:
            text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # jinja's errors, and whatever a template raises
            roles = ", ".join(message.role for message in messages)
            raise EngineRefused(f"the model's chat template must accept the conversation ({roles}): {error}") from error
        return self.encode(text)


def _role(role: str) -> str:
    return "system" if role == "developer" else role
