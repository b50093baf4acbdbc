"""One thread for small models; a real one, loaded once."""

from __future__ import annotations

import warnings
from typing import Any

import pytest


@pytest.fixture(scope="module", autouse=True)
def calm(one_thread: None) -> None:
    """Every test here has one thread of torch."""


@pytest.fixture(scope="session")
def smollm2() -> Any:
    """SmolLM2-135M-Instruct in float32."""
    from transformers import AutoModelForCausalLM

    from ponder.orchestrator.models import path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AutoModelForCausalLM.from_pretrained(path("smollm2"), dtype="float32").eval().requires_grad_(False)
