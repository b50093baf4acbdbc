"""The models that come with ponder: folders that vLLM and transformers open as they are."""

from .embedded import EMBEDDED, STEP_MARKS, abacus_generator, abacus_prm, abacus_workers, path
from .smollm2 import smollm2

__all__ = ["EMBEDDED", "STEP_MARKS", "abacus_generator", "abacus_prm", "abacus_workers", "path", "smollm2"]
