"""The models that come with ponder: folders that vLLM and transformers open as they are."""

from .embedded import EMBEDDED, abacus_generator, abacus_prm, path
from .smollm2 import smollm2

__all__ = ["EMBEDDED", "abacus_generator", "abacus_prm", "path", "smollm2"]
