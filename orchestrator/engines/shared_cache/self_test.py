"""The test that every model passes before its workers share a cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .layer_spec import LayerSpec


def check(model: Any, layers: Sequence[LayerSpec]) -> None:
    """Compare shared-cache decoding with the model's own forward pass."""
