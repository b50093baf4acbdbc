"""The embedded models by name."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError
from .smollm2 import smollm2

SHIPPED = ("abacus-generator", "abacus-prm", "abacus-workers", "digits-flow")
EMBEDDED = (*SHIPPED, "smollm2")
HERE = Path(__file__).resolve().parent
STEP_MARKS = {HERE / "abacus-prm": 10}
"""The token id that ends a step, for each embedded process reward model: here the newline."""


def path(name: str) -> Path:
    """The folder of an embedded model; `smollm2` is unpacked on the first call.

    Raises:
        UsageError: no embedded model has that name, or its files are missing.
    """
    if name == "smollm2":
        return smollm2()
    if name not in SHIPPED:
        raise UsageError(f"model must be one of the embedded models ({', '.join(EMBEDDED)}), got {name!r}")
    folder = HERE / name
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"the embedded model {name!r} must lie in {folder}, which has no config.json; reinstall ponder"
        )
    return folder


def abacus_generator() -> Path:
    """The folder of the abacus generator: multi-step arithmetic, one step a line."""
    return path("abacus-generator")


def abacus_prm() -> Path:
    """The folder of the abacus process reward model: one probability a step of the generator's text."""
    return path("abacus-prm")


def abacus_workers() -> Path:
    """The folder of the abacus workers: a generator that works beside others and reads what they write meanwhile."""
    return path("abacus-workers")


def digits_flow() -> Path:
    """The folder of the digits flow model: 8x8 digits by diffusers, and two classifiers of them to search by."""
    return path("digits-flow")
