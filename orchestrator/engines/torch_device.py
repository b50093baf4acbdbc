"""Where a model in torch runs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

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
