"""What diffusers has saved in a folder: settings, classes, weights, and what names them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import EngineRefused

if TYPE_CHECKING:
    import torch


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


def class_in(folder: Path, marker: str, base: str) -> Any:
    """The class of diffusers that the settings in a folder name.

    Raises:
        EngineRefused: it is no subclass of `base`, e.g. ``ModelMixin``.
    """
    import diffusers

    name = str(settings(folder, marker).get("_class_name", ""))
    found = getattr(diffusers, name, None)
    if not (inspect.isclass(found) and issubclass(found, getattr(diffusers, base))):
        raise EngineRefused(f"{folder / marker} must name a {base} of diffusers as _class_name, got {name!r}")
    return found


def loaded(load: Callable[..., Any], folder: Path, dtype: torch.dtype, **options: Any) -> Any:
    """What diffusers loads from a folder: from safetensors alone, and never from the network.

    Raises:
        EngineRefused: it cannot be loaded.
    """
    from diffusers.utils.logging import disable_progress_bar

    disable_progress_bar()
    if find_spec("transformers") is not None:
        from transformers.utils.logging import disable_progress_bar as disable_of_encoders

        disable_of_encoders()
    sparing = find_spec("accelerate") is not None
    try:
        return load(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            low_cpu_mem_usage=sparing,
            dtype=dtype,
            **options,
        )
    except (OSError, ValueError, ImportError, TypeError, RuntimeError) as error:
        why = " ".join(str(error).split())[:300]
        raise EngineRefused(f"{folder} must hold a model that diffusers loads, but: {why}; save it anew") from None


def saved_dtype(folder: Path) -> torch.dtype:
    """The type of the first real numbers among the weights in a folder; float32 where there are none."""
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
