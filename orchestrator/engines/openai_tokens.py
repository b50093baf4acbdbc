"""Token ids by the tokenizer and chat template that stand in the server: vLLM's ``/tokenize``."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import orjson

from ..engine import Prompt
from ..types import Message
from .openai_errors import refusal
from .openai_server import NotOK, Server
from .openai_wire import broken, dumps, messages_of

KEPT = 1024
Key = tuple[tuple[Message, ...], str, bool]


class ServerTokens:
    """Renders prompts in the server, and remembers the last 1024 parts.

    A text is continued exactly this way, whatever the chat template makes of a conversation that ends in an answer.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._kept: OrderedDict[Key, tuple[int, ...]] = OrderedDict()

    async def ids(self, prompt: Prompt) -> tuple[int, ...]:
        """The ids of the conversation, ready for an answer, and of the text that was already generated after it.

        A text without a conversation begins with the tokenizer's own special tokens.

        Raises:
            EngineUnavailable: no answer.
            EngineRefused: the chat template does not take such a conversation.
        """
        if not prompt.messages:
            return await self._part(((), prompt.text, True), {"prompt": prompt.text, "add_special_tokens": True})
        said: dict[str, Any] = orjson.loads(prompt.tools) if prompt.tools else {}
        asked = {"messages": messages_of(prompt.messages), **({"tools": said["tools"]} if said else {})}
        rendered = await self._part((prompt.messages, prompt.tools, False), asked)
        if not prompt.text:
            return rendered
        return rendered + await self.text(prompt.text)

    async def text(self, text: str) -> tuple[int, ...]:
        """The ids of a text that continues something.

        Raises:
            EngineUnavailable: no answer.
        """
        return await self._part(((), text, False), {"prompt": text, "add_special_tokens": False})

    async def _part(self, key: Key, asked: dict[str, Any]) -> tuple[int, ...]:
        found = self._kept.get(key)
        if found is None:
            found = await self._asked(asked)
            self._kept[key] = found
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    async def _asked(self, asked: dict[str, Any]) -> tuple[int, ...]:
        server = self._server
        try:
            raw = await server.post(server.root("tokenize"), dumps({"model": server.address.model, **asked}))
        except NotOK as answer:
            raise refusal(answer.status, answer.headers, answer.raw, server.address) from None
        try:
            return tuple(orjson.loads(raw)["tokens"])
        except (KeyError, TypeError, ValueError) as error:
            raise broken(raw, error) from None
