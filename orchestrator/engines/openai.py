"""The engine for any OpenAI-compatible server: ``vllm serve``, SGLang, a hosted service.

One session, no threads. What a server does not take is left out, where the answer stays the same without it, and
refused otherwise; `capabilities` say so before anything runs.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from ..engine import Capabilities, Completion, EngineSpec, Prompt, Reading, Request, Sampling, Watch
from ..errors import EngineRefused, UsageError
from ..flops import ParameterCount
from ..meter import Meter
from ..sampling import tool_tokens
from .openai_errors import Address, refusal, refused_field
from .openai_probe import ROUTES, learn
from .openai_server import NotOK, Server
from .openai_stream import Events, Gathering
from .openai_tokens import ServerTokens
from .openai_wire import API, NEEDED, Dialect, Reads, body, completion, dumps, reading, reading_body

if TYPE_CHECKING:
    from yarl import URL

CONTEXT_LENGTH = 8192
TEMPLATE_TOKENS = 128
MESSAGE_TOKENS = 16
LONG_PROMPTS = 8
Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]


class OpenAISpec(EngineSpec):
    """A model behind an OpenAI-compatible server.

    Args:
        base_url: where the server's routes stand, e.g. ``http://127.0.0.1:8000/v1``.
        model: the name the server knows it by.
        api_key_env: the NAME of the environment variable that holds the key; None sends none.
        revision: names the weights behind `model`; change it when they change, so that old draws are not reused.
        api: ``chat``, or ``completions`` for models without a chat template: messages are joined by an empty line.
        context_length: most tokens of prompt and completion; None asks the server, else 8192.
        template_tokens: most tokens that the server's chat template adds to a conversation, beyond 16 a message; None
            asks the server, else 128. Part of the bound that each call reserves.
        image_tokens: most tokens that the model makes of one image, its marks included; 0 for a model that does not
            see. Part of the bound that each call reserves. Only ``chat`` takes images, as PNG.
        parameters: active parameters of the model, for FLOPs; None counts none.
        reads: the route that reads as a reward model: vLLM's ``/pooling``, ``/classify`` (a whole response, of all
            labels) or ``/score`` (a question and a response, one value); None takes the first that the server has.
        timeout_s: seconds for a whole call; then its connection is closed.
        connect_timeout_s: seconds to make a connection.
    """

    kind: Literal["openai"] = "openai"
    base_url: str
    model: Annotated[str, Field(min_length=1)]
    api_key_env: str | None = None
    revision: str = "latest"
    api: API = "chat"
    context_length: Annotated[int, Field(ge=2)] | None = None
    template_tokens: Annotated[int, Field(ge=0)] | None = None
    image_tokens: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    parameters: Annotated[int, Field(ge=1)] | None = None
    reads: Reads | None = None
    timeout_s: Seconds = 600.0
    connect_timeout_s: Seconds = 10.0

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            is_plain = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
            is_plain = is_plain and parts.port != 0 and not (parts.query or parts.fragment)
        except ValueError:
            is_plain = False
        if not is_plain:
            raise UsageError(
                "base_url must be http:// or https://, a host, and a path, with no user, password or query in it; "
                "write e.g. http://127.0.0.1:8000/v1, and name the key's environment variable in api_key_env"
            )
        return value.rstrip("/")

    @field_validator("api_key_env")
    @classmethod
    def _name_of_variable(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
            raise UsageError(
                "api_key_env must be the name of an environment variable (letters, digits, underscores), not the key; "
                "export the key under a name such as OPENAI_API_KEY and give that name"
            )
        return value

    def open(self) -> OpenAIEngine:
        """The engine, not started yet."""
        return OpenAIEngine(self)


@dataclass(frozen=True, slots=True)
class _Form:
    """A request ready but for its seed, and the most tokens its prompt can be: the same for all draws of a prompt."""

    prompt: Prompt
    sampling: Sampling
    labels: tuple[int, ...]
    dialect: Dialect
    is_streamed: bool
    sent: frozenset[str]
    url: URL
    head: bytes
    bound: int

    def fits(self, request: Request, dialect: Dialect, is_streamed: bool) -> bool:
        return (
            self.prompt is request.prompt
            and self.is_streamed is is_streamed
            and self.sampling is request.sampling
            and self.dialect is dialect
            and self.labels == request.labels
        )

    def filled(self, seed: int) -> bytes:
        return b'%b,"seed":%d}' % (self.head, seed) if "seed" in self.sent else self.head + b"}"


class OpenAIEngine:
    """One model of one server. Use it from one event loop, between `start` and `close`.

    Where a server takes seeds, it may still answer otherwise in other company: draws are reproduced from the journal.
    Stop strings stay in the text where the server keeps or names them (vLLM does); where it does neither, a text that
    a stop string ended looks like one that ended by itself. Token ids, where the server returns them, are those
    generated, also where a stop string cut the text.
    """

    def __init__(self, spec: OpenAISpec) -> None:
        self.spec = spec
        reads = f":{spec.reads}" if spec.reads else ""
        self.identity = f"openai:{spec.model}@{spec.revision}:{spec.api}:{spec.base_url}{reads}"
        self.meter: Meter = spec.metered(ParameterCount(parameters=spec.parameters) if spec.parameters else None)
        self._context_length = spec.context_length or CONTEXT_LENGTH
        self._speak(Dialect(spec.api))
        assumed = TEMPLATE_TOKENS if spec.api == "chat" else 0
        self._template_tokens = assumed if spec.template_tokens is None else spec.template_tokens
        self._server: Server | None = None
        self._tokens: ServerTokens | None = None
        self._form: _Form | None = None

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def start(self) -> None:
        """Open the session and ask the server what it can do; a second call does nothing.

        Raises:
            EngineUnavailable: the server is not there, or not ready.
            EngineRefused: no key, or the server does not know the key or the model.
        """
        if self._server is not None:
            return
        spec = self.spec
        address = Address(spec.base_url, spec.model, spec.api_key_env, _key(spec.api_key_env))
        server = Server(address, spec.max_in_flight, spec.timeout_s, spec.connect_timeout_s)
        try:
            learned = await learn(server, spec.api, spec.reads)
        except BaseException:
            await server.close()
            raise
        self._context_length = spec.context_length or learned.context_length or CONTEXT_LENGTH
        self._speak(learned.dialect)
        if spec.template_tokens is None and learned.template_tokens is not None:
            self._template_tokens = learned.template_tokens + MESSAGE_TOKENS
        self._server, self._tokens = server, ServerTokens(server)

    async def close(self) -> None:
        """Close every connection."""
        server, self._server, self._tokens, self._form = self._server, None, None, None
        if server is not None:
            await server.close()

    async def count(self, prompt: Prompt) -> int:
        """An upper bound of the prompt's tokens: no byte-level tokenizer makes more tokens than there are bytes.

        But for images exact where the server has vLLM's ``/tokenize`` and the prompt is long, or has a text to be
        continued.
        """
        bound = self._bound(prompt)
        is_long = bound * LONG_PROMPTS > self._context_length
        ids = await self._ids(prompt, self._dialect.tokenizes and (is_long or bool(prompt.text)))
        return (len(ids) or bound) + len(prompt.images) * self.spec.image_tokens

    async def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text by vLLM's ``/tokenize``; none where the server shows no ids."""
        if not (self._dialect.tokenizes and self.capabilities.token_ids) or self._tokens is None:
            return ()
        return await self._tokens.text(text)

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        """Draw one completion.

        Raises:
            EngineUnavailable: no answer, none in time, none that can be read, or the server is busy.
            EngineRefused: the server will not do this, or asks for something first.
        """
        while True:
            server, dialect = self._opened(), self._dialect
            form, told = self._form, watch if dialect.streams else None
            if form is None or not form.fits(request, dialect, told is not None):
                form = self._form = await self._formed(request, dialect, server, told is not None)
            try:
                raw = await _sent(server, form.url, form.filled(request.seed), told)
            except NotOK as answer:
                self._adapt(answer, form.sent, quotes=request.sampling.tools is not None)
                continue
            done = completion(raw, request, self.meter, form.bound)
            if done.usage.prompt_tokens > form.bound:
                raise self._too_many(done.usage.prompt_tokens, form.bound)
            return done

    async def read(self, prompt: Prompt) -> Reading:
        """Read a prompt with a reward model: each label's value at each step mark, or at the end of the whole.

        Marks of the conversation count too, so a question must not hold any.

        Raises:
            EngineUnavailable: as for `complete`.
            EngineRefused: the server has no such route, or refuses.
        """
        server, route = self._opened(), self._dialect.reads
        if prompt.images:
            raise EngineRefused("images must be shown to a model that writes, but here a reward model reads; drop them")
        if route is None:
            raise EngineRefused(
                f"{self.spec.base_url} must have vLLM's /pooling, /classify or /score to read as a reward model, but "
                "has none; serve the reward model with: vllm serve MODEL --runner pooling"
            )
        ids = await self._ids(prompt, self._dialect.tokenizes)
        asked = dumps(reading_body(prompt, self.spec.model, route, ids))
        try:
            raw = await server.post(server.root(route), asked)
        except NotOK as answer:
            raise refusal(answer.status, answer.headers, answer.raw, server.address) from None
        return reading(raw, route, self.meter, len(ids) or self._bound(prompt))

    def _speak(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._capabilities = dialect.capabilities(self._context_length, self.spec.image_tokens)

    def _opened(self) -> Server:
        if self._server is None:
            raise EngineRefused(f"engine {self.identity!r} must be started before it is asked; await its start first")
        return self._server

    async def _formed(self, request: Request, dialect: Dialect, server: Server, is_streamed: bool) -> _Form:
        if not dialect.generates:
            raise EngineRefused(
                f"{self.spec.base_url} must have the route {ROUTES[dialect.api]} to draw, but has none; "
                "serve a generator there, or use this engine to read only"
            )
        prompt = request.prompt
        is_known = bool(prompt.text) and dialect.continues_ids and not prompt.images
        ids = await self._ids(prompt, is_known)
        asked = (request, self.spec.model, dialect, ids, is_streamed)
        made = await asyncio.to_thread(body, *asked) if prompt.images else body(*asked)
        sent = dialect.fields & {*made, "seed"} - {"tools"}  # a complaint that names them is about what is in them
        url = server.url(ROUTES["completions" if ids else dialect.api])
        bound = len(ids) or await self.count(prompt)
        return _Form(prompt, request.sampling, request.labels, dialect, is_streamed, sent, url, dumps(made)[:-1], bound)

    async def _ids(self, prompt: Prompt, is_wanted: bool) -> tuple[int, ...]:
        return await self._tokens.ids(prompt) if is_wanted and self._tokens is not None else ()

    def _bound(self, prompt: Prompt) -> int:
        """UTF-8 bytes, 16 tokens a message for its role and marks, and what the template adds to a conversation.

        Calls count as two messages, and arguments twice, since templates may write them out indented.
        """
        calls = [call for message in prompt.messages for call in message.calls]
        size = sum(_bytes(message.content + message.call_id) for message in prompt.messages) + _bytes(prompt.text)
        size += sum(_bytes(call.id + call.name) + 2 * _bytes(call.arguments) for call in calls)
        size += tool_tokens(prompt.tools)
        turns = len(prompt.messages) + 2 * len(calls) + 1
        return size + MESSAGE_TOKENS * turns + self._template_tokens

    def _adapt(self, answer: NotOK, sent: frozenset[str], *, quotes: bool) -> None:
        """Leave out from now on what the server refuses: each field once, so this ends.

        Raises:
            EngineError: it refuses something else.
        """
        if answer.status in (400, 422) and (name := refused_field(answer.raw, sent, quotes=quotes)) is not None:
            self._speak(self._dialect.without(name))
            if name not in NEEDED:
                return
        raise refusal(answer.status, answer.headers, answer.raw, self._opened().address) from None

    def _too_many(self, came: int, bound: int) -> EngineRefused:
        return EngineRefused(
            f"the prompt must be at most {bound} tokens, but {self.spec.base_url} counts {came}: its chat template "
            f"adds more than allowed for; set template_tokens to {self._template_tokens + came - bound} or more, or "
            "image_tokens higher if the prompt holds images"
        )


async def _sent(server: Server, url: URL, asked: bytes, watch: Watch | None) -> bytes:
    """The whole answer; as it comes, its progress goes to the watch."""
    if watch is None:
        return await server.post(url, asked)
    events, gathering = Events(), Gathering(watch)

    def take(part: bytes) -> None:
        for data in events.of(part):
            gathering.take(data)

    await server.stream(url, asked, take)
    return gathering.answer()


def _key(variable: str | None) -> str:
    """The key in an environment variable; empty where none is wanted."""
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise EngineRefused(
            f"the environment variable {variable} must hold the server's key, but "
            f"{'holds something else' if key else 'is not set'}; export {variable}=..."
        )
    return key


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
