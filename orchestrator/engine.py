"""What an engine is: where tokens come from, what it can do and what it counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from .canonical import digest
from .denoising import Denoised, Denoising, Look, Passage, Seen
from .errors import EngineRefused, UsageError
from .flops import ModelShape, ParameterCount
from .images import Image
from .meter import Meter, Price
from .sampling import Sampling as Sampling
from .types import Finish, Message, ToolCall, Usage
from .workspace import Opening, Workspace

MAX_DRAWS = 4096
LOWEST_LOGPROB = -9999.0
"""The log-probability, in nats, of what cannot follow: minus infinity has no JSON. It is the one that vLLM writes."""


FREE = Sampling()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation, rendered by the engine's own chat template, and what was already generated after it.

    `edges` are the characters at the beginning and at the end of `text` that may hold special tokens where it is read.
    `images` come after the words of the last message. Prompts of one `salt` share a prefix cache that those of another
    do not see, where the engine can do that; it changes nothing that is drawn. `tools` are those of the `Sampling`.
    """

    messages: tuple[Message, ...]
    tokens: tuple[int, ...] = ()
    text: str = ""
    edges: tuple[int, int] = (0, 0)
    salt: str = ""
    images: tuple[Image, ...] = ()
    tools: str = ""

    @property
    def pictured(self) -> tuple[bytes, ...]:
        """What its images add to a key: nothing where there are none."""
        return (digest(self.images),) if self.images else ()


@dataclass(frozen=True, slots=True)
class Request:
    """One draw: a prompt, how to sample, and the seed.

    `labels` asks for the log-probabilities of these token ids at the first generated position, and makes the request a
    verifier's call, as `judging` does.
    """

    prompt: Prompt
    sampling: Sampling
    seed: int
    labels: tuple[int, ...] = ()
    judging: bool = False

    @property
    def is_judging(self) -> bool:
        """Whether it counts as a verifier's call."""
        return self.judging or bool(self.labels)


@dataclass(frozen=True, slots=True)
class Completion:
    """What one draw gave: new tokens and their text, why it ended, and the engine's own counts.

    `confidences` has for each token minus the mean of its `Sampling.top_logprobs` ranked log-probabilities. `pieces`
    has, where `logprobs` were asked for, what each token adds to the text: nothing where it only begins a character.
    `calls` are of tools, and no part of the text.

    Raises:
        EngineRefused: a log-probability of a label is NaN or infinite.
    """

    tokens: tuple[int, ...]
    text: str
    finish: Finish
    usage: Usage
    logprobs: tuple[float, ...] | None = None
    label_logprobs: tuple[float, ...] | None = None
    confidences: tuple[float, ...] | None = None
    pieces: tuple[str, ...] | None = None
    calls: tuple[ToolCall, ...] = ()

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.label_logprobs or ())):
            chances = f"the log-probabilities of labels must be finite, got {self.label_logprobs!r}"
            raise EngineRefused(f"{chances}; load the model in float32")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reward model read: a row for each step mark, of one value a label, and the engine's own counts.

    Raises:
        EngineRefused: a value is NaN or infinite.
    """

    rows: tuple[tuple[float, ...], ...]
    usage: Usage

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for row in self.rows for value in row):
            raise EngineRefused(f"a reward model must give finite values, got {self.rows!r}; load it in float32")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a draw has come: tokens generated so far, and the text that is new since the last progress.

    The count never falls, and the draw's usage will count no fewer tokens.
    """

    tokens: int
    text: str


Watch = Callable[[Progress], None]
"""Told of each progress of a draw, on the event loop; what is drawn never depends on it."""


@dataclass(frozen=True, slots=True)
class Advance:
    """Some passes of workers that share a cache: each that draws adds one token a pass, until the first of them ends.

    A worker ends where what it wrote since its last words that were said holds one of its stop strings, where it draws
    an end-of-text token, and where it has drawn its `max_tokens` or its view fills the context.

    Args:
        session: names the cache of one run, which no other run may use.
        workspace: everything before.
        samplings: how each worker draws; None for one that rests.
        seeds: of each worker, the same in every advance: the i-th token it draws depends on its seed and on i.
        may_rebuild: whether the cache may be made anew from the workspace where the engine does not hold it.
    """

    session: str
    workspace: Workspace
    samplings: tuple[Sampling | None, ...]
    seeds: tuple[int, ...]
    may_rebuild: bool = False


@dataclass(frozen=True, slots=True)
class Advanced:
    """What workers wrote in some passes.

    Args:
        tokens: of each worker, as many for each that drew; an end-of-text token is counted and not kept.
        texts: of each worker, the text that these add to its block.
        finishes: why each worker ended; None for one that can go on as it stands, or rests.
        usage: tokens that were said and are read for the first time count as prompt tokens, drawn ones as completion
            tokens; what the cache holds is not counted again.
        rebuilding: what it cost besides to make the cache anew.
    """

    tokens: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    finishes: tuple[Finish | None, ...]
    usage: Usage
    rebuilding: Usage = Usage()


class Capabilities(BaseModel):
    """What an engine can do. A strategy that needs more is refused before anything runs.

    Args:
        context_length: most tokens of prompt and completion together.
        exact_count: whether `Engine.count` is exact; a mere bound never refuses a prompt as too long.
        streams: whether `Engine.complete` takes a `Watch` and tells it of its progress.
        shared_cache: whether it is a `SharedEngine`.
        denoising: what its denoiser is, where it is a `DenoisingEngine`.
        looks: whether it is a `LookingEngine`.
        image_tokens: most tokens that an image takes in a prompt; 0 where prompts may hold none.
        structured: whether it holds what it generates to a `Sampling.json_schema`.
        tools: whether it calls `Sampling.tools`, and reads conversations in which tools were called.
        fixed: of temperature, top_p and stop, those that are its own; a request must leave them as `Sampling` has them.
        tokenizer: names the tokenizer; engines that name the same split a text alike. Empty where it is not known.
    """

    model_config = ConfigDict(frozen=True)
    generate: bool = True
    read: bool = False
    token_ids: bool = False
    continue_prefix: bool = False
    logprobs: bool = False
    labels: bool = False
    seed: bool = False
    context_length: int = 4096
    exact_count: bool = True
    tokenizer: str = ""
    streams: bool = False
    shared_cache: bool = False
    denoising: Denoising | None = None
    looks: bool = False
    image_tokens: int = 0
    structured: bool = False
    tools: bool = False
    fixed: frozenset[str] = frozenset()

    @property
    def images(self) -> bool:
        """Whether prompts may hold images."""
        return self.image_tokens > 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What never changes about an engine once it stands."""

    identity: str
    capabilities: Capabilities
    meter: Meter


@runtime_checkable
class Engine(Protocol):
    """Where tokens come from.

    `identity` names the engine, its model and revision: it is part of every sample key, so two engines
    with one identity must draw from the same distribution. Errors are `EngineUnavailable` (try again) or
    `EngineRefused` (do not). A cancelled call must stop the work behind it.
    """

    @property
    def identity(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def meter(self) -> Meter: ...

    async def start(self) -> None:
        """Make ready; a second call does nothing."""

    async def close(self) -> None:
        """Stop, leaving nothing behind."""

    async def count(self, prompt: Prompt) -> int:
        """Tokens of the rendered prompt: exact where the engine has a tokenizer, else an upper bound."""

    async def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text that continues something; empty where the engine shows no ids."""

    async def complete(self, request: Request) -> Completion:
        """Draw one completion."""

    async def read(self, prompt: Prompt) -> Reading:
        """Read a prompt with a reward model: one row a step mark."""


class StreamingEngine(Engine, Protocol):
    """An engine that tells how far its draws have come, where its `capabilities.streams`."""

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        """Draw one completion, the same with and without a watch."""


@runtime_checkable
class SharedEngine(Engine, Protocol):
    """An engine whose workers can share one attention cache, token by token.

    Use it through `Context.share`, which pays, records and lets go of what it holds.
    """

    async def opened(self, opening: Opening) -> int:
        """Tokens of an opening.

        Raises:
            EngineRefused: its prompt does not fit the context, or its room not the engine's memory.
        """

    async def holds(self, session: str, workspace: Workspace) -> bool:
        """Whether the session's cache holds everything that was computed for the workspace."""

    async def advance(self, request: Advance) -> Advanced:
        """Let workers write until the first of them ends."""

    async def release(self, session: str) -> None:
        """Let go of a session's cache; one that it does not know is let go already."""


class DenoisingEngine(Engine, Protocol):
    """An engine that denoises, where its `capabilities.denoising`.

    Use it through `Context.denoise`.
    """

    async def denoise(self, passages: Sequence[Passage]) -> list[Denoised]:
        """Where each passage ends; what one gives does not depend on the others but for rounding."""


class LookingEngine(Engine, Protocol):
    """An engine that looks at images as a reward model does, where its `capabilities.looks`.

    Use it through `Judging.look`.
    """

    async def look(self, asked: Look) -> list[Seen]:
        """What it tells of each image."""


class EngineSpec(BaseModel):
    """An engine as data: what a pipeline file says about it.

    A subclass sets `kind` to a literal, adds its knobs, and implements `open` without starting anything.

    Args:
        max_in_flight: most requests sent at once.
        prompt_price: US dollars for a million prompt tokens.
        cached_price: the same for those the prefix cache serves; None charges the prompt price.
        completion_price: US dollars for a million generated tokens.
        start_timeout_s: seconds until it must be ready.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str
    max_in_flight: Annotated[int, Field(ge=1, le=65536)] = 256
    prompt_price: Price = 0.0
    cached_price: Price | None = None
    completion_price: Price = 0.0
    start_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600.0

    def open(self) -> Engine:
        """The engine, not started yet."""
        raise TypeError(f"{type(self).__name__} must implement open")

    def resources(self) -> dict[str, float]:
        """What one replica takes of a cluster, in Ray's words: ``num_cpus``, ``num_gpus``."""
        return {"num_cpus": 0}

    def metered(self, model: ModelShape | ParameterCount | None) -> Meter:
        """The meter for these prices and a model of that shape or size."""
        return Meter(
            model=model,
            prompt_price=self.prompt_price,
            cached_price=self.cached_price,
            completion_price=self.completion_price,
        )


def check_form(capabilities: Capabilities, sampling: Sampling, engine: str) -> None:
    """Refuse to draw in a form that the engine cannot hold to, or in a way that it cannot follow.

    Raises:
        EngineRefused: a schema or tools are given, and it is not `structured` or has none; or a knob is `fixed`.
    """
    if fixed := [name for name in sorted(capabilities.fixed) if getattr(sampling, name) != getattr(FREE, name)]:
        raise EngineRefused(
            f"engine {engine} must draw by a {fixed[0]} of its own, but is asked for {getattr(sampling, fixed[0])!r}; "
            f"leave it at {getattr(FREE, fixed[0])!r}"
        )
    if sampling.json_schema is not None and not capabilities.structured:
        raise EngineRefused(
            f"engine {engine} must hold what it generates to a JSON schema, but cannot; use vLLM, a server that takes "
            "response_format, or leave json_schema out"
        )
    if sampling.tools is not None and not capabilities.tools:
        raise EngineRefused(f"engine {engine} must call tools, but cannot; use a chat server that can, or drop tools")


def check_fits(capabilities: Capabilities, prompt_tokens: int, max_tokens: int, engine: str) -> None:
    """Refuse a request longer than the context, where the count of its tokens is exact.

    Raises:
        EngineRefused: prompt and completion together exceed the engine's context.
    """
    if capabilities.exact_count and prompt_tokens + max_tokens > capabilities.context_length:
        raise EngineRefused(
            f"prompt and completion must fit the context of {engine} ({capabilities.context_length} tokens); "
            f"got {prompt_tokens} + {max_tokens}; lower max_tokens or shorten the prompt"
        )


def check_draws(n: int) -> int:
    """`n`, when it is a sensible number of draws.

    Raises:
        UsageError: it is not between 1 and 4096.
    """
    if not 1 <= n <= MAX_DRAWS:
        raise UsageError(f"n must be between 1 and {MAX_DRAWS}, got {n}; draw in several rounds if you need more")
    return n
