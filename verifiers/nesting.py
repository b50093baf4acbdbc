"""Verifiers as knobs of verifiers and of strategies."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from ..orchestrator.verifier import Verifier


def build(data: Any) -> Verifier:
    """The verifier that a table with a ``kind`` describes.

    Raises:
        UsageError: no such kind, or a knob out of range.
    """
    from . import VERIFIERS  # which names those that nest, and so is made after them

    return VERIFIERS.build(data)


AnyVerifier = Annotated[SerializeAsAny[Verifier], BeforeValidator(build)]
