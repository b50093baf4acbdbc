"""The image-reward engine: a reward model of images in this process, which looks at many at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Literal

from ..denoising import Look, Seen
from ..engine import Capabilities, Completion, EngineSpec, Prompt, Reading, Request
from ..errors import EngineRefused
from ..meter import Meter, Price, Rate, Seconds
from .image_models import AnyImageModel, ImageModel
from .image_models.image_model import told
from .torch_device import require_gpu


class ImageRewardSpec(EngineSpec):
    """A reward model of images in this process.

    Args:
        model: the model.
        look_seconds: of one image in a batch, as measured; what `compute_seconds` counts.
        look_price: US dollars for a million images.
    """

    kind: Literal["image_reward"] = "image_reward"
    model: AnyImageModel
    look_seconds: Seconds = 0.0
    look_price: Price = 0.0

    def open(self) -> ImageRewardEngine:
        """The engine, not started yet."""
        return ImageRewardEngine(self)

    def resources(self) -> dict[str, float]:
        """One processor, and one GPU for a model that takes one."""
        return {"num_cpus": 1, "num_gpus": 1} if self.model.takes_gpu else {"num_cpus": 1}


class ImageRewardEngine:
    """The engine of an `ImageRewardSpec`; a `LookingEngine`. Use it from one event loop."""

    def __init__(self, spec: ImageRewardSpec) -> None:
        self.spec = spec
        self._thread = ThreadPoolExecutor(1, "ponder-image-reward")

    @cached_property
    def model(self) -> ImageModel:
        """The model, loaded when it is first needed."""
        if self.spec.model.takes_gpu:
            require_gpu()
        return self.spec.model.load()

    @cached_property
    def identity(self) -> str:
        return f"image_reward:{self.model.identity}"

    @cached_property
    def capabilities(self) -> Capabilities:
        return Capabilities(generate=False, looks=True)

    @cached_property
    def meter(self) -> Meter:
        spec = self.spec
        return Meter(look=Rate(flops=self.model.look_flops, seconds=spec.look_seconds, price=spec.look_price))

    async def start(self) -> None:
        """Load the model; a second call does nothing.

        Raises:
            EngineRefused: it cannot be loaded here.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, lambda: self.model)

    async def close(self) -> None:
        """Stop what is being computed."""
        await asyncio.to_thread(self._thread.shutdown)

    async def count(self, prompt: Prompt) -> int:
        """Zero: it counts images."""
        return 0

    async def encode(self, text: str) -> tuple[int, ...]:
        """Nothing: it shows no token ids."""
        return ()

    async def complete(self, request: Request) -> Completion:
        raise EngineRefused(f"{self.identity} looks at images and cannot write; use a language model")

    async def read(self, prompt: Prompt) -> Reading:
        raise EngineRefused(f"{self.identity} looks at images and cannot read; use a reward model of texts")

    async def look(self, asked: Look) -> list[Seen]:
        """What it tells of each image; None for what is no number, and nothing of one that it cannot look at.

        Raises:
            EngineRefused: it can look at none of them.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: told(self.model, asked.images, asked.prompt))
