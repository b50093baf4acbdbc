"""The abacus models on real vLLM, each on its own core: started once for all tests that ask them; torch held back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from real_vllm import side_by_side

from ponder.orchestrator.engines.vllm import VLLMEngine, VLLMSpec


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread of torch: more cost small models ten times as much on cores that are not free."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def abacus_engines() -> AsyncIterator[list[VLLMEngine]]:
    generator = VLLMSpec(model="abacus-generator", core=0, kv_cache_gib=0.25)
    reward = VLLMSpec(model="abacus-prm", runner="pooling", core=1, kv_cache_gib=0.25)
    async with side_by_side(generator, reward) as engines:
        yield engines


@pytest.fixture(scope="session")
def abacus_generator(abacus_engines: list[VLLMEngine]) -> VLLMEngine:
    return abacus_engines[0]


@pytest.fixture(scope="session")
def abacus_reward(abacus_engines: list[VLLMEngine]) -> VLLMEngine:
    return abacus_engines[1]
