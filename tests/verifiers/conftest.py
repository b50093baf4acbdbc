"""The abacus generator on real vLLM, started once for all verifiers that ask it."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator

import pytest_asyncio

from ponder.orchestrator.engines.vllm import VLLMEngine, VLLMSpec


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def abacus_generator() -> AsyncIterator[VLLMEngine]:
    made = VLLMSpec(model="abacus-generator", core=0, kv_cache_gib=0.25).open()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        await made.start()
    yield made
    await made.close()
