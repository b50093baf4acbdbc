"""Weights in safetensors files, and what names them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...errors import EngineRefused


def arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, by name.

    Raises:
        EngineRefused: it is no such file, or the package is not installed.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise EngineRefused("weights must be read by the package safetensors; pip install safetensors") from None
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise EngineRefused(f"weights must be a safetensors file, but {path} is none: {error}; {CONVERT}") from None


def fingerprint(files: Iterable[Path]) -> str:
    """Twelve hexadecimal digits that name the contents of files, wherever they lie."""
    whole = hashlib.blake2b(digest_size=6)
    for file in files:
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "blake2b").digest())
    return whole.hexdigest()


CONVERT = (
    "make one of a state dict by safetensors.torch.save_file(torch.load('it.pth', weights_only=True), 'it.safetensors')"
)
