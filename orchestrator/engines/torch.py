"""The torch engine: one transformers model in this process, whose workers may share one attention cache.

For what vLLM cannot do: workers that see each other's tokens as they are written (Rodionov et al. 2025, Hogwild!
inference, arXiv 2504.06261). It draws ordinary completions too, all in one batch, but has no prefix cache: vLLM is the
faster engine where nothing is shared. What a seed draws depends on what else is in the batch only as far as rounding
goes; draws are reproduced from the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ..canonical import stable_id
from ..engine import (
    Advance,
    Advanced,
    Capabilities,
    Completion,
    EngineSpec,
    Prompt,
    Reading,
    Request,
    Watch,
    check_fits,
)
from ..errors import EngineRefused, EngineUnavailable
from ..meter import Meter
from ..workspace import Opening, Workspace
from .chat_tokens import ChatTokens
from .shared_cache import PAGE_SIZE
from .torch_device import TorchPlaced
from .vllm_model import ModelFiles

if TYPE_CHECKING:
    from .shared_cache.host import Host

GIB = 1 << 30


class TorchSpec(TorchPlaced, EngineSpec):
    """A transformers model in this process, whose workers may share one attention cache.

    Args:
        model: a folder, an embedded name such as ``abacus-generator``, or a name on the hub.
        revision: of a model on the hub.
        dtype: of weights, arithmetic and cache; ``auto`` is float32 on CPU, the model's own on GPU.
        threads: processor threads on CPU; more than one is rarely worth it for small models.
        cache_gib: memory of all caches; what does not fit beside the others waits.
        page_size: tokens a page of a shared cache: fewer waste less where steps are short, more take fewer products.
    """

    kind: Literal["torch"] = "torch"
    model: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    threads: Annotated[int, Field(ge=1)] = 1
    cache_gib: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    page_size: Annotated[int, Field(ge=1, le=4096)] = PAGE_SIZE

    def open(self) -> TorchEngine:
        """The engine, not started yet."""
        return TorchEngine(self)

    def resources(self) -> dict[str, float]:
        """Its processor threads on CPU, one GPU otherwise."""
        return {"num_cpus": 1, "num_gpus": 1} if self.takes_gpu else {"num_cpus": self.threads}


class TorchEngine:
    """The engine of a `TorchSpec`; a `SharedEngine`. Use it from one event loop."""

    def __init__(self, spec: TorchSpec) -> None:
        self.spec = spec
        self._files = ModelFiles(spec.model, spec.revision)
        self._thread: ThreadPoolExecutor | None = None
        self._host: Host | None = None
        self._starting = asyncio.Lock()
        self._is_closed = False

    @cached_property
    def identity(self) -> str:
        """The model, its weights, the type of its arithmetic and where that is done."""
        return f"torch:{self._files.fingerprint}:{stable_id((self.spec.dtype, self.spec.found_device))}"

    @cached_property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            token_ids=True,
            continue_prefix=True,
            logprobs=True,
            labels=True,
            seed=True,
            context_length=self._files.context_length,
            tokenizer=self._files.tokenizer,
            streams=True,
            shared_cache=True,
        )

    @cached_property
    def meter(self) -> Meter:
        return self.spec.metered(self._files.shape)

    async def start(self) -> None:
        """Load the model and test it; a second call does nothing.

        Raises:
            EngineRefused: torch is not installed, the model is not there, or is not one that can share a cache.
            EngineUnavailable: it was not ready in time.
        """
        await self._hosted()

    async def close(self) -> None:
        """Stop what is being computed and let go of the model."""
        self._is_closed = True
        async with self._starting:
            if self._host is not None:
                await self._host.close()
            if self._thread is not None:
                await asyncio.to_thread(self._thread.shutdown)
            self._host = self._thread = None

    async def count(self, prompt: Prompt) -> int:
        """Tokens of the rendered prompt, exactly."""
        return len((await self._chat()).prompt(prompt))

    async def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text that continues something."""
        return tuple((await self._chat()).encode(text))

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        """Draw one completion.

        Raises:
            EngineUnavailable: torch failed.
            EngineRefused: it is too long, or not what this engine does.
        """
        ids = (await self._chat()).prompt(request.prompt)
        check_fits(self.capabilities, len(ids), request.sampling.max_tokens, self.identity)
        return await (await self._hosted()).complete(request, ids, watch)

    async def read(self, prompt: Prompt) -> Reading:
        """Refused: this engine does not read as a reward model."""
        raise EngineRefused(f"{self.identity} must be a reward model to read, but draws; use an engine of kind 'vllm'")

    async def opened(self, opening: Opening) -> int:
        """Tokens of an opening.

        Raises:
            EngineRefused: its prompt does not fit the context, or its room not the engine's memory.
        """
        return (await self._hosted()).opened(opening)

    async def holds(self, session: str, workspace: Workspace) -> bool:
        """Whether the session's cache holds everything that was computed for the workspace."""
        return (await self._hosted()).holds(session, workspace)

    async def advance(self, request: Advance) -> Advanced:
        """Let workers write until the first of them ends.

        Raises:
            EngineUnavailable: torch failed.
            EngineRefused: the workspace cannot be, or does not fit.
        """
        return await (await self._hosted()).advance(request)

    async def release(self, session: str) -> None:
        """Let go of a session's cache."""
        if self._host is not None:
            self._host.release(session)

    async def _chat(self) -> ChatTokens:
        if "_loaded_chat" not in self.__dict__:
            await asyncio.to_thread(lambda: self._loaded_chat)
        return self._loaded_chat

    @cached_property
    def _loaded_chat(self) -> ChatTokens:
        return ChatTokens.of(self._files)

    async def _hosted(self) -> Host:
        """The host, made if need be: by one caller, while the others wait."""
        if self._host is not None:
            return self._host
        async with self._starting:
            if self._is_closed:
                raise EngineRefused(f"engine {self.spec.model!r} must be open, but was closed; open a new one")
            if self._host is None:
                self._require_installed()
                chat = await self._chat()
                self._thread = self._thread or ThreadPoolExecutor(1, "torch", self._begin_thread)
                try:
                    async with asyncio.timeout(self.spec.start_timeout_s):
                        self._host = await asyncio.get_running_loop().run_in_executor(self._thread, self._opened, chat)
                except TimeoutError:
                    raise EngineUnavailable(
                        f"{self.spec.model!r} must be loaded within {self.spec.start_timeout_s:g} s, but was not; "
                        "raise the engine's start_timeout_s"
                    ) from None
            return self._host

    def _require_installed(self) -> None:
        missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
        if missing:
            raise EngineRefused(
                f"{' and '.join(missing)} must be installed to run {self.spec.model!r} in this process; "
                'run: pip install "ponder[torch]"'
            )

    def _begin_thread(self) -> None:
        import torch

        torch.set_num_threads(self.spec.threads)

    def _opened(self, chat: ChatTokens) -> Host:
        """The model, loaded and tested, with everything that is known of it."""
        from transformers.utils.logging import disable_progress_bar

        from .shared_cache.advancing import Bounds
        from .shared_cache.host import Host, Settings
        from .shared_cache.loading import load

        spec, thread = self.spec, self._thread
        assert thread is not None
        disable_progress_bar()
        device = spec.found_device
        dtype = "float32" if spec.dtype == "auto" and device == "cpu" else spec.dtype
        decoder = load(self._files.source, spec.revision, dtype, device)
        settings = Settings(
            bounds=Bounds(self._files.context_length, self._ends(chat)),
            vocabulary=self._vocabulary(chat),
            memory=int(spec.cache_gib * GIB),
            page_size=spec.page_size,
            meter=self.meter,
        )
        return Host(decoder, chat, settings, thread)

    def _vocabulary(self, chat: ChatTokens) -> int:
        """How many token ids the model knows.

        Raises:
            EngineRefused: the tokenizer has more.
        """
        config = self._files.config
        known = int((config.get("text_config") or config)["vocab_size"])
        last = max(chat.tokenizer.get_vocab().values())
        if last >= known:
            raise EngineRefused(
                f"the tokenizer's ids must be below the model's vocabulary ({known}), got one of {last} in "
                f"{self.spec.model!r}; give the tokenizer that the model was trained with"
            )
        return known

    def _ends(self, chat: ChatTokens) -> frozenset[int]:
        """The end-of-text tokens: what the generation config, the config and the tokenizer say, together."""
        from transformers import GenerationConfig

        told: list[Any] = [self._files.config.get("eos_token_id"), chat.tokenizer.eos_token_id]
        with contextlib.suppress(OSError):
            told.append(GenerationConfig.from_pretrained(self._files.source, revision=self.spec.revision).eos_token_id)
        return frozenset(
            token for each in told for token in (each if isinstance(each, list) else [each]) if token is not None
        )
