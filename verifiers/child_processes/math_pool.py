"""The child processes in which mathematics is read."""

from __future__ import annotations

from importlib.util import find_spec

from ...orchestrator.errors import UsageError
from .child_pool import ChildPool, pool_of

WORKER = "math_worker"


def math_pool() -> ChildPool:
    """The pool of this process; each child takes some 100 MB.

    Raises:
        UsageError: math-verify is not installed.
    """
    check_installed()
    return pool_of(WORKER)


def check_installed() -> None:
    """Refuse to read mathematics without math-verify, importing nothing.

    Raises:
        UsageError: math-verify is not installed.
    """
    if find_spec("math_verify") is None:
        raise UsageError('mathematical answers need math-verify, which is not installed; pip install "ponder[math]"')
