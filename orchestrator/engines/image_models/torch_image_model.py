"""What reward models of images in torch have in common: where they lie, where they run, and what a look costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...canonical import stable_id
from ...errors import EngineRefused
from ...images import Image
from ..fingerprint import fingerprint
from ..operations import operations
from ..torch_device import TorchPlaced
from .image_model import ImageModelSpec

if TYPE_CHECKING:
    import torch

BLANK = Image(8, 8, 1, bytes(64))
VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")
"""Without any of these transformers makes a tokenizer that knows no words."""


class TorchImageModelSpec(TorchPlaced, ImageModelSpec):
    """A reward model of images that runs in torch, in float32.

    Args:
        model: the folder that holds it.
        batch: images at once.
    """

    model: Annotated[str, Field(min_length=1)]
    batch: Annotated[int, Field(ge=1)] = 32

    @property
    def folder(self) -> Path:
        """Where the model lies."""
        return Path(self.model).expanduser()

    def named(self, *others: str) -> str:
        """Names the model: a digest of its folder, of other weights, and of the knobs that change what it tells."""
        knobs = self.model_dump(mode="json", exclude={"model", "head", "device", "batch"})
        return f"{self.kind}:{stable_id((knobs, fingerprint(self.folder), others, self.found_device))}"


class TorchImageModel(ABC):
    """A loaded model; a subclass implements `told`, and calls `measure` once it is ready.

    Args:
        spec: describes it.
        identity: names it.
    """

    def __init__(self, spec: TorchImageModelSpec, identity: str) -> None:
        self.identity = identity
        self.look_flops = 0
        self._batch, self._device = spec.batch, spec.found_device

    @abstractmethod
    def told(self, images: Sequence[Image], prompt: str) -> torch.Tensor:
        """What it tells of a few images, ``[images, values]``."""

    def values(self, images: Sequence[Image], prompt: str) -> NDArray[Any]:
        import torch

        parts = [images[start : start + self._batch] for start in range(0, len(images), self._batch)]
        with torch.no_grad():
            return np.concatenate([self.told(part, prompt).double().cpu().numpy() for part in parts])

    def measure(self) -> None:
        """Count the operations of one look with a short prompt, which also shows that the model works.

        Raises:
            EngineRefused: it does not.
        """
        try:
            self.look_flops = operations(lambda: self.values([BLANK], "a"))
        except EngineRefused:
            raise
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise EngineRefused(f"{self.identity} must look at an image, but raised {why}; save it anew") from error


def require(folder: Path, *packages: str) -> None:
    """Refuse where there is no saved model, or where what opens it is missing.

    Raises:
        EngineRefused: so it is.
    """
    if missing := [name for name in ("torch", "transformers", *packages) if find_spec(name) is None]:
        raise EngineRefused(
            f"{' and '.join(missing)} must be installed to look at images by such a model; run: "
            "pip install 'ponder[torch]' safetensors pillow"
        )
    if not (folder / "config.json").is_file():
        raise EngineRefused(f"a model must be a folder with a config.json of transformers, got {str(folder)!r}")


def opened(name: str, folder: Path, device: str) -> Any:
    """The model of a class of transformers in a folder: from safetensors alone, and never from the network.

    Raises:
        EngineRefused: it is not there, or lacks weights.
    """
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    options = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True, "dtype": torch.float32}
    try:
        model, told = getattr(transformers, name).from_pretrained(str(folder), **options)
    except (OSError, ValueError, RuntimeError, AttributeError, ImportError) as error:
        why = " ".join(str(error).split())[:300]
        raise EngineRefused(f"{folder} must hold a {name} in safetensors, but: {why}; save it anew") from None
    if lost := sorted({*told["missing_keys"], *(key for key, *_ in told["mismatched_keys"])}):
        raise EngineRefused(f"{folder} must hold all weights of a {name}, but lacks {len(lost)}, e.g. {lost[0]}")
    return model.to(device).eval()


def tokenizer_in(folder: Path) -> Any:
    """The tokenizer in a folder.

    Raises:
        EngineRefused: there is none.
    """
    from transformers import AutoTokenizer

    if any((folder / name).is_file() for name in VOCABULARIES):
        with suppress(OSError, ValueError, KeyError):
            return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    raise EngineRefused(f"{folder} must hold a tokenizer, such as tokenizer.json; save the model's tokenizer there")
