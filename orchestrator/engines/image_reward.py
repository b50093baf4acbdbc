"""The image-reward engine: a reward model of images in this process, which looks at many at once."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from ..denoising import Look, Seen
from ..engine import Capabilities, EngineSpec
from ..meter import Meter, Price, Rate, Seconds
from .image_engine import ImageEngine
from .image_models import AnyImageModel, ImageModel
from .image_models.image_model import told


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


class ImageRewardEngine(ImageEngine[ImageModel]):
    """The engine of an `ImageRewardSpec`; a `LookingEngine`. Use it from one event loop."""

    kind = "image_reward"
    does = "looks at images"

    def __init__(self, spec: ImageRewardSpec) -> None:
        super().__init__(spec.model)
        self.spec = spec

    @cached_property
    def capabilities(self) -> Capabilities:
        return Capabilities(generate=False, looks=True)

    @cached_property
    def meter(self) -> Meter:
        spec = self.spec
        return Meter(look=Rate(flops=self.model.look_flops, seconds=spec.look_seconds, price=spec.look_price))

    async def look(self, asked: Look) -> list[Seen]:
        """What it tells of each image; None for what is no number, and nothing of one that it cannot look at.

        Raises:
            EngineRefused: it can look at none of them.
        """
        return await self._in_thread(lambda: told(self.model, asked.images, asked.prompt))
