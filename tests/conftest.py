"""How tests share the cores; the abacus models on real vLLM, started once for all that ask them; torch held back."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from real_vllm import side_by_side
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

from ponder.orchestrator.engines.vllm import VLLMEngine, VLLMSpec


class ByFile(LoadGroupScheduling):
    """Tests of a file, or of a group, run on one worker, so that what they share is made once."""

    def _split_scope(self, nodeid: str) -> str:
        return super()._split_scope(nodeid).partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker a core for folders; files run in this process, which starts at once."""
    return len(os.sched_getaffinity(0)) if all(Path(place).is_dir() for place in config.args) else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first; engines of real vLLM, on cores that they were given, are one worker's."""
    for item in items:
        if item.get_closest_marker("vllm"):
            item.add_marker(pytest.mark.xdist_group("vllm"))
    items.sort(key=lambda item: not (item.get_closest_marker("vllm") or item.get_closest_marker("long")))


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
