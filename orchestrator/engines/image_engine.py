"""What engines of images have in common: one model in a thread of its own, and no words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from typing import ClassVar, Generic, Protocol, TypeVar

from ..engine import Completion, Prompt, Reading, Request
from ..errors import EngineRefused
from ..process_settings import QUICK_SWITCHES
from .torch_device import require_gpu


class Named(Protocol):
    """A model that names itself."""

    @property
    def identity(self) -> str: ...


M = TypeVar("M", bound=Named)
M_co = TypeVar("M_co", covariant=True)
T = TypeVar("T")


class Loadable(Protocol[M_co]):
    """A model as data."""

    @property
    def takes_gpu(self) -> bool: ...

    def load(self) -> M_co: ...


class ImageEngine(Generic[M]):
    """An engine that makes images or looks at them; a subclass says which, and sets `kind` and `does`.

    Args:
        source: the model as data.
    """

    kind: ClassVar[str]
    does: ClassVar[str]
    """In words, for whoever asks it for words."""

    def __init__(self, source: Loadable[M]) -> None:
        self._source = source
        self._thread = ThreadPoolExecutor(1, f"ponder-{self.kind}")
        self._settings = ExitStack()
        self._is_open = False

    @cached_property
    def model(self) -> M:
        """The model, loaded when it is first needed.

        Raises:
            EngineRefused: it cannot be loaded here, or does not fit the memory.
        """
        if self._source.takes_gpu:
            require_gpu()
        try:
            return self._source.load()
        except RuntimeError as error:
            told = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise EngineRefused(
                f"a model of engine {self.kind!r} must load where it runs, but {told}; free memory there, or take a "
                "smaller dtype or another device"
            ) from error

    @cached_property
    def identity(self) -> str:
        return f"{self.kind}:{self.model.identity}"

    async def start(self) -> None:
        """Load the model; a second call does nothing.

        Raises:
            EngineRefused: it cannot be loaded here.
        """
        await self._in_thread(lambda: self.model)
        if not self._is_open:
            self._is_open = True
            self._settings.enter_context(QUICK_SWITCHES)

    async def close(self) -> None:
        """Stop what is being computed."""
        self._settings.close()
        await asyncio.to_thread(self._thread.shutdown)

    async def count(self, prompt: Prompt) -> int:
        """Zero: it counts rows, or images."""
        return 0

    async def encode(self, text: str) -> tuple[int, ...]:
        """Nothing: it shows no token ids."""
        return ()

    async def complete(self, request: Request) -> Completion:
        rule = f"{self.identity} {self.does} and cannot write"
        raise EngineRefused(f"{rule}; use a language model, or a strategy that denoises")

    async def read(self, prompt: Prompt) -> Reading:
        raise EngineRefused(f"{self.identity} {self.does} and cannot read; use a reward model of texts")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
