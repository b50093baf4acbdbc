"""Whether there is a sandbox on this machine."""

from __future__ import annotations


def check_sandbox() -> None:
    """Try a sandbox, once in each process.

    Raises:
        UsageError: there is none here; with the reason and the remedy.
    """
