"""What denoisers in torch have in common: where they run, in what precision, and what names their weights."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ...canonical import stable_id
from ...errors import EngineRefused
from ..fingerprint import fingerprint
from ..operations import operations
from ..torch_device import TorchPlaced
from .denoiser import DenoiserSpec
from .saved import saved_dtype

if TYPE_CHECKING:
    import torch

PLACES = frozenset({"model", "scheduler", "vae", "embeddings"})
"""Knobs that say where something lies; what lies there counts, and not where."""


class TorchDenoiserSpec(TorchPlaced, DenoiserSpec):
    """A denoiser that runs in torch.

    Args:
        dtype: of weights and arithmetic; ``auto`` is float32 on CPU, that of the saved weights on GPU.
        batch: rows at once, those that guidance adds apart.
    """

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch: Annotated[int, Field(ge=1)] = 256

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
            'run: pip install "ponder[diffusion]", and transformers for pipelines'
        )


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
