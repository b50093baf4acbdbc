"""What denoisers in torch have in common: where they run, in what precision, and what names their weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ...canonical import stable_id
from ...errors import EngineRefused
from ..vllm_model import sampled
from .denoiser import DenoiserSpec
from .operations import operations

if TYPE_CHECKING:
    import torch

PLACES = frozenset({"folder", "scheduler", "vae", "embeddings"})
"""Knobs that say where something lies; what lies there counts, and not where."""


class TorchDenoiserSpec(DenoiserSpec):
    """A denoiser that runs in torch.

    Args:
        dtype: of weights and arithmetic; ``auto`` is float32 on CPU, that of the saved weights on GPU.
        device: ``auto`` is a GPU where there is one.
        batch: rows at once, those that guidance adds apart.
    """

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch: Annotated[int, Field(ge=1)] = 256

    @property
    def found_device(self) -> Literal["cpu", "cuda"]:
        """The device that ``auto`` means on this machine."""
        if self.device != "auto":
            return self.device
        if find_spec("torch") is None:
            return "cpu"
        from torch import cuda

        return "cuda" if cuda.is_available() else "cpu"

    def found_dtype(self, weights: Path) -> torch.dtype:
        """The type of the arithmetic, of a model whose weights lie in a folder."""
        import torch

        if self.dtype != "auto":
            found: torch.dtype = getattr(torch, self.dtype)
            return found
        return torch.float32 if self.found_device == "cpu" else saved_dtype(weights)

    def named(self, *folders: str) -> str:
        """Names the model: a digest of the folders it is loaded from and of the knobs that change what it tells."""
        knobs = self.model_dump(mode="json", exclude={"batch", "device", *PLACES})
        digests = [fingerprint(Path(folder).expanduser()) if folder else "" for folder in folders]
        return f"{self.kind}:{stable_id((knobs, self.found_device, digests))}"


def require_installed(*packages: str) -> None:
    """Refuse where a package is missing.

    Raises:
        EngineRefused: one is.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise EngineRefused(
            f"{' and '.join(missing)} must be installed to run this denoiser; "
            'run: pip install "ponder[diffusion]", and transformers for pipelines with text encoders'
        )


def folder_with(name: str, marker: str) -> Path:
    """The folder of a saved model.

    Raises:
        EngineRefused: it does not hold the file that marks one.
    """
    folder = Path(name).expanduser()
    if not (folder / marker).is_file():
        raise EngineRefused(f"a folder with a {marker} must be there, got {name!r}; write it with save_pretrained")
    return folder


def settings(folder: Path, marker: str) -> dict[str, Any]:
    """What the JSON file of a saved model says.

    Raises:
        EngineRefused: it cannot be read.
    """
    try:
        found: dict[str, Any] = json.loads((folder / marker).read_text(encoding="utf-8"))
    except ValueError as error:
        raise EngineRefused(f"{folder / marker} must hold JSON, but cannot be read: {error}; save it anew") from None
    return found


def loaded(load: Callable[..., Any], folder: Path, **options: Any) -> Any:
    """What diffusers loads from a folder: from safetensors alone, and never from the network.

    Raises:
        EngineRefused: it cannot be loaded.
    """
    from diffusers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        with_accelerate = find_spec("accelerate") is not None
        return load(str(folder), local_files_only=True, low_cpu_mem_usage=with_accelerate, **options)
    except (OSError, ValueError, ImportError, TypeError, RuntimeError) as error:
        why = " ".join(str(error).split())[:300]
        raise EngineRefused(
            f"the model in {folder} must be one that diffusers loads, but: {why}; save it anew"
        ) from None


def saved_dtype(folder: Path) -> torch.dtype:
    """The type that most numbers of the weights in a folder are saved in; float32 where none are."""
    import torch
    from safetensors import safe_open

    names = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), "pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118 - it is no dictionary
                found = names.get(tensors.get_slice(key).get_dtype())
                if found is not None:
                    return found
    return torch.float32


def tried(call: Callable[[], Any], what: str) -> int:
    """The operations of a call, made once to see that a model works.

    Raises:
        EngineRefused: it does not.
    """
    try:
        return operations(call)
    except EngineRefused:
        raise
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise EngineRefused(f"{what} must work on one row, but raised {why}; see whether diffusers runs it") from error


def fingerprint(place: Path) -> str:
    """A digest of the settings and weights in a folder and the folders in it, or of one file."""
    total = hashlib.blake2b(digest_size=8)
    for file in [place] if place.is_file() else sorted(place.rglob("*.*")):
        if file.is_file() and file.suffix in (".json", ".safetensors", ".txt", ".model"):
            total.update(str(file.relative_to(place)).encode() + sampled(file))
    return total.hexdigest()
