"""Images as a pretrained model wants them: sized, cropped and normalised as its folder says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ...errors import EngineRefused
from ...images import Image

if TYPE_CHECKING:
    import torch

FILE = "preprocessor_config.json"
MODES = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}
"""The numbers that Pillow gives its filters."""


Size = dict[str, int | None]


class Preprocessing(BaseModel):
    """The settings of an image processor of transformers, and what they make of images; other settings are left aside.

    It resizes as Pillow does, with antialiasing, but for one step of a byte here and there.

    Source: ``preprocessor_config.json`` as transformers writes it.

    Args:
        size: ``shortest_edge``, or ``height`` and ``width``.
        resample: Pillow's number of the filter: 0 nearest, 2 bilinear, 3 bicubic.
        crop_size: the middle that is kept, ``height`` and ``width``.
        image_mean: of red, green and blue, from 0 to 1.
        image_std: the same.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    do_resize: bool = True
    size: Size
    resample: int = 3
    do_center_crop: bool = False
    crop_size: Size | None = None
    do_normalize: bool = True
    image_mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    image_std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @model_validator(mode="before")
    @classmethod
    def _sizes(cls, told: Any) -> Any:
        """Sizes as tables; older files have one number: the shortest edge where the middle is kept, else all four."""
        edges = {"size": ("shortest_edge",) if told.get("do_center_crop") else ("height", "width")}
        edges |= {"crop_size": ("height", "width")}
        plain = {name: dict.fromkeys(sides, told[name]) for name, sides in edges.items() if type(told.get(name)) is int}
        return {**told, **plain}

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The settings in a folder.

        Raises:
            EngineRefused: there are none that are known.
        """
        try:
            found = cls.model_validate(json.loads((folder / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError) as error:
            told = " ".join(str(error).split())[:300]
            raise EngineRefused(
                f"{folder} must hold a {FILE} of transformers, but: {told}; save its processor"
            ) from None
        if found.do_resize and found.resample not in MODES:
            raise EngineRefused(f"{folder / FILE} must resample by one of {[*MODES]}, got {found.resample}; change it")
        return found

    def __call__(self, images: Sequence[Image]) -> torch.Tensor:
        """A batch, float32 of shape [images, 3, height, width]; a grey image has three channels alike.

        Raises:
            EngineRefused: they are not of one size afterwards.
        """
        import torch

        rows = [self._one(image) for image in images]
        if len({row.shape for row in rows}) > 1:
            shapes = sorted({tuple(row.shape[1:]) for row in rows})
            raise EngineRefused(f"images must be of one size after resizing, got {shapes}; look at each size apart")
        mean, std = (torch.tensor(each)[:, None, None] for each in (self.image_mean, self.image_std))
        batch = torch.stack(rows) / 255
        return (batch - mean) / std if self.do_normalize else batch

    def _one(self, image: Image) -> torch.Tensor:
        import torch
        from torch.nn.functional import interpolate

        colours = np.repeat(image.array, 3, axis=2) if image.channels == 1 else image.array
        x = torch.from_numpy(np.array(colours)).permute(2, 0, 1)
        wanted = self._wanted(image.height, image.width)
        if self.do_resize and wanted != (image.height, image.width):
            mode = MODES[self.resample]
            smooth: dict[str, bool] = {} if mode == "nearest-exact" else {"antialias": True, "align_corners": False}
            x = interpolate(x[None], wanted, mode=mode, **smooth)[0]
        return (self._middle(x) if self.do_center_crop else x).float()

    def _wanted(self, height: int, width: int) -> tuple[int, int]:
        """The height and width that an image is resized to."""
        shortest = self.size.get("shortest_edge")
        if shortest is None:
            return _sides(self.size)
        if height <= width:
            return shortest, int(shortest * width / height)
        return int(shortest * height / width), shortest

    def _middle(self, x: torch.Tensor) -> torch.Tensor:
        height, width = _sides(self.crop_size or self.size)
        top, left = max(0, x.shape[1] - height) // 2, max(0, x.shape[2] - width) // 2
        return x[:, top : top + height, left : left + width]


def _sides(size: Size) -> tuple[int, int]:
    height, width = size.get("height"), size.get("width")
    if not height or not width:
        raise EngineRefused(f"a size must have a height and a width, got {size}; save the model's processor anew")
    return height, width
