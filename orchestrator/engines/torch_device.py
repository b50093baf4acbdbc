"""Where a model in torch runs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from ..errors import EngineRefused

FoundDevice = Literal["cpu", "cuda"]
Device = Literal["auto"] | FoundDevice


def found_device(device: Device) -> FoundDevice:
    """The device that is meant on this machine: ``auto`` is a GPU where there is one."""
    if device != "auto":
        return device
    if find_spec("torch") is None:
        return "cpu"
    from torch import cuda

    return "cuda" if cuda.is_available() else "cpu"


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
