"""One real vLLM generator and one reward model for the whole session, of random weights, each on its own core."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import tiny_llama
from real_vllm import quiet_imports, side_by_side

from ponder.orchestrator.engines.vllm import VLLMEngine, VLLMSpec


@pytest.fixture(scope="session")
def generator_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with quiet_imports():
        return tiny_llama.make(tmp_path_factory.mktemp("models") / "generator")


@pytest.fixture(scope="session")
def reward_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A process reward model that reads after each newline, the fourth token of its vocabulary."""
    with quiet_imports():
        return tiny_llama.make(tmp_path_factory.mktemp("models") / "reward", labels=2, step_mark=3)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engines(generator_folder: Path, reward_folder: Path) -> AsyncIterator[list[VLLMEngine]]:
    last_core = max(os.sched_getaffinity(0))
    draws = VLLMSpec(model=str(generator_folder), core=0, kv_cache_gib=0.25, stall_timeout_s=8.0)
    reads = VLLMSpec(model=str(reward_folder), core=last_core, runner="pooling", kv_cache_gib=0.25, max_num_seqs=16)
    async with side_by_side(draws, reads) as started:
        yield started


@pytest.fixture(scope="session")
def generator(engines: list[VLLMEngine]) -> VLLMEngine:
    return engines[0]


@pytest.fixture(scope="session")
def reader(engines: list[VLLMEngine]) -> VLLMEngine:
    return engines[1]
