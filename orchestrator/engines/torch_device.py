"""Where a model in torch runs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..errors import EngineRefused

FoundDevice = Literal["cpu", "cuda"]


class TorchPlaced(BaseModel):
    """A model in torch as data: where it runs.

    Args:
        device: ``auto`` is a GPU where there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    device: Literal["auto"] | FoundDevice = "auto"

    @property
    def found_device(self) -> FoundDevice:
        """The device that ``auto`` means on this machine."""
        if self.device != "auto":
            return self.device
        if find_spec("torch") is None:
            return "cpu"
        from torch import cuda

        return "cuda" if cuda.is_available() else "cpu"

    @property
    def takes_gpu(self) -> bool:
        """Whether it runs on a GPU."""
        return self.found_device == "cuda"


def require_gpu() -> None:
    """Refuse where torch sees no GPU.

    Raises:
        EngineRefused: it does not.
    """
    from torch import cuda

    if not cuda.is_available():
        raise EngineRefused(
            "device 'cuda' must be a GPU that torch sees, but here is none; use device = 'auto' or 'cpu'"
        )
