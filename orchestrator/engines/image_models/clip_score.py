"""How near an image is to its prompt, by CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from ...images import Image
from ...prompting import Template, fill
from .clip import Clip
from .torch_image_model import TorchImageModel, TorchImageModelSpec

if TYPE_CHECKING:
    import torch


class ClipScore(TorchImageModelSpec):
    """The cosine of CLIP's embeddings of the image and of the prompt, from -1 to 1; not times 100.

    Source: Hessel et al. 2021, arXiv 2104.08718. Departs: neither cut off at 0 nor times 2.5, which changes
    no order, and no prefix unless `text` says so; theirs is ``A photo depicts {prompt}``.

    Args:
        model: the folder of a CLIPModel, its processor (``preprocessor_config.json``) and its tokenizer.
        text: what the image is compared with.
    """

    kind: Literal["clip_score"] = "clip_score"
    text: Annotated[str, Template("prompt")] = "{prompt}"

    def load(self) -> ClipScoreModel:
        """The model.

        Raises:
            EngineRefused: it is not there.
        """
        return ClipScoreModel(self, Clip(self.folder, self.found_device))


class ClipScoreModel(TorchImageModel):
    """The model of a `ClipScore`."""

    def __init__(self, spec: ClipScore, clip: Clip) -> None:
        super().__init__(spec, spec.named())
        self._text, self._clip = spec.text, clip
        self.measure()

    def told(self, images: Sequence[Image], prompt: str) -> torch.Tensor:
        return self._clip.images(images) @ self._clip.text(fill(self._text, prompt=prompt)).T
