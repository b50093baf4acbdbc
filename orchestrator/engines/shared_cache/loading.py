"""A transformers model, opened for shared-cache decoding and tested before it is used."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import EngineRefused
from .decoder import SharedDecoder
from .model_spec import layers_of
from .self_test import check

DTYPES = ("auto", "float32", "bfloat16", "float16")


def load(source: str, revision: str | None = None, dtype: str = "auto", device: str = "cpu") -> SharedDecoder:
    """The decoder of a causal language model, in evaluation mode, after its self-test.

    Args:
        source: a folder, or a name on the hub.
        revision: of a model on the hub.
        dtype: ``auto`` (as saved), ``float32``, ``bfloat16`` or ``float16``.
        device: as torch names it.

    Raises:
        EngineRefused: it cannot be opened or does not fit on the device, its attention is of a kind that a shared
            cache cannot serve, or the self-test finds a difference from the model's own forward pass.
    """
    if dtype not in DTYPES:
        raise EngineRefused(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}; choose one")
    model = _moved(_opened(source, revision, dtype), device).eval().requires_grad_(False)
    layers = layers_of(model)
    check(model, layers)
    return SharedDecoder(model, layers)


def _opened(source: str, revision: str | None, dtype: str) -> Any:
    from transformers import AutoModelForCausalLM

    wanted = dtype if dtype == "auto" else getattr(torch, dtype)
    try:
        model, told = AutoModelForCausalLM.from_pretrained(
            source, revision=revision, dtype=wanted, output_loading_info=True
        )
    except (OSError, ValueError, ImportError) as error:
        why = " ".join(str(error).split())[:300]
        raise EngineRefused(
            f"model must be a causal language model that transformers opens, got {source!r}: {why}; "
            "give another, or another engine"
        ) from None
    if missing := sorted(told["missing_keys"]):
        raise EngineRefused(
            f"model must hold all weights of a causal language model, but {source!r} lacks {', '.join(missing[:3])}"
            f"{' and others' if missing[3:] else ''}; give one that was trained to write"
        )
    return model


def _moved(model: Any, device: str) -> Any:
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        why = " ".join(str(error).split())[:200]
        raise EngineRefused(
            f"device must be one that torch finds here and that holds the model, got {device!r}: {why}; give another"
        ) from None
