"""What the tests of real vLLM share."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ponder.orchestrator.engine import Prompt
from ponder.orchestrator.engines.vllm import VLLMEngine, VLLMSpec
from ponder.orchestrator.types import Message


@asynccontextmanager
async def running(spec: VLLMSpec) -> AsyncIterator[VLLMEngine]:
    """A started engine; fails the test that leaves a process of it behind."""
    engine = VLLMEngine(spec)
    with quiet_imports():
        await engine.start()
    processes = list(engine._core.processes)
    yield engine
    with quiet_imports():
        await engine.close()
    assert not any(process.is_alive() for process in processes)


class quiet_imports(warnings.catch_warnings):
    """vLLM, torch and transformers warn when they are imported; that is not this project's to fail for."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")


def asked(text: str, tokens: tuple[int, ...] = (), so_far: str = "") -> Prompt:
    """The prompt of one user message, and what was generated after it."""
    return Prompt((Message(role="user", content=text),), tokens, so_far)
