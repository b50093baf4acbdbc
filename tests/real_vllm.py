"""What the tests of real vLLM share."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ponder.orchestrator.engine import Prompt
from ponder.orchestrator.engines.vllm import VLLMEngine, VLLMSpec
from ponder.orchestrator.types import Message


@asynccontextmanager
async def running(spec: VLLMSpec) -> AsyncIterator[VLLMEngine]:
    """A started engine; fails the test that leaves a process of it behind."""
    async with side_by_side(spec) as (engine,):
        yield engine


@asynccontextmanager
async def side_by_side(*specs: VLLMSpec) -> AsyncIterator[list[VLLMEngine]]:
    """Engines that start and end at the same time, which is quick where each has a core of its own; none is left."""
    engines = [VLLMEngine(spec) for spec in specs]
    with quiet_imports():
        await asyncio.gather(*(engine.start() for engine in engines))
    processes = [process for engine in engines for process in engine._core.processes]
    yield engines
    with quiet_imports():
        await asyncio.gather(*(engine.close() for engine in engines))
    assert not any(process.is_alive() for process in processes)


class quiet_imports(warnings.catch_warnings):
    """vLLM, torch and transformers warn when they are imported; that is not this project's to fail for."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")


def asked(text: str, tokens: tuple[int, ...] = (), so_far: str = "") -> Prompt:
    """The prompt of one user message, and what was generated after it."""
    return Prompt((Message(role="user", content=text),), tokens, so_far)
