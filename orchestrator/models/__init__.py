"""The models that come with ponder: folders that vLLM and transformers, or diffusers, open as they are."""

from .embedded import EMBEDDED, STEP_MARKS, abacus_generator, abacus_prm, abacus_workers, digits_flow, path
from .smollm2 import smollm2

__all__ = [
    "EMBEDDED",
    "STEP_MARKS",
    "abacus_generator",
    "abacus_prm",
    "abacus_workers",
    "digits_flow",
    "path",
    "smollm2",
]
