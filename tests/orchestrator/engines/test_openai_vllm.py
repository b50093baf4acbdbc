"""The openai engine against vLLM's own server, on CPU."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ponder.orchestrator.engine import Progress, Prompt, Request, Sampling
from ponder.orchestrator.engines.openai import OpenAIEngine, OpenAISpec
from ponder.orchestrator.errors import EngineUnavailable
from ponder.orchestrator.types import Finish, Message

pytestmark = pytest.mark.vllm
ASK = Prompt((Message(role="user", content="hello"),))
START_S = 180


@pytest.fixture(scope="module")
def base_url(generator_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(generator_folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", "m", "--dtype", "float32"]
    command += ["--enforce-eager", "--max-model-len", "128", "--block-size", "32", "--enable-prompt-tokens-details"]
    alone = {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": str(min(os.sched_getaffinity(0)))}
    alone |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "PYTHONWARNINGS": "ignore"}
    with (tmp_path_factory.mktemp("server") / "log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **alone}, stdout=log, stderr=log)
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
async def engine(base_url: str) -> AsyncIterator[OpenAIEngine]:
    engine = OpenAISpec(base_url=base_url, model="m").open()
    async with asyncio.timeout(START_S):
        while True:
            try:
                await engine.start()
                break
            except EngineUnavailable:
                await asyncio.sleep(0.5)
    yield engine
    await engine.close()


@pytest.mark.timeout(300)
async def test_vllm_tells_what_it_can(engine: OpenAIEngine) -> None:
    can = engine.capabilities
    assert can.generate and can.token_ids and can.continue_prefix and can.logprobs and can.labels and can.seed
    assert (can.read, can.context_length) == (False, 128)


@pytest.mark.timeout(300)
async def test_vllm_draws_counts_and_continues(engine: OpenAIEngine) -> None:
    sampling = Sampling(max_tokens=8, logprobs=True)
    one, same = [await engine.complete(Request(ASK, sampling, 5, labels=(7, 9))) for _ in range(2)]
    assert one.tokens == same.tokens
    assert one.finish in (Finish.EOS, Finish.TOTAL_LENGTH)
    assert one.usage.completion_tokens == len(one.tokens) == len(one.logprobs or ())
    assert one.label_logprobs is not None and len(one.label_logprobs) == 2
    assert 0 < one.usage.prompt_tokens <= await engine.count(ASK)
    begun = Prompt(ASK.messages, text="ab")
    more = await engine.complete(Request(begun, Sampling(max_tokens=4), 5))
    assert more.usage.prompt_tokens == await engine.count(begun) > one.usage.prompt_tokens


@pytest.mark.timeout(300)
async def test_vllm_keeps_a_stop_string(engine: OpenAIEngine) -> None:
    drawn = await engine.complete(Request(ASK, Sampling(max_tokens=40), 3))
    stop = drawn.text[2]
    stopped = await engine.complete(Request(ASK, Sampling(max_tokens=40, stop=(stop,)), 3))
    assert stopped.finish is Finish.STOP
    assert stopped.text == drawn.text[: drawn.text.index(stop) + 1]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("begun", ["", "ab"])
async def test_vllm_tells_of_a_draw_that_is_the_same(engine: OpenAIEngine, begun: str) -> None:
    heard: list[Progress] = []
    asked = Request(Prompt(ASK.messages, text=begun), Sampling(max_tokens=24, logprobs=True), 11)
    watched, alone = await engine.complete(asked, heard.append), await engine.complete(asked)
    assert engine.capabilities.streams
    assert replace(watched, usage=alone.usage) == alone
    assert watched.usage.completion_tokens == heard[-1].tokens == len(watched.tokens) >= len(heard) - 1 > 1
    assert "".join(each.text for each in heard) == watched.text


@pytest.mark.timeout(300)
async def test_vllm_keeps_what_has_another_salt_apart(engine: OpenAIEngine) -> None:
    long = Message(role="user", content="one two three four five six seven")

    salts = ("mine", "mine", "yours")
    asked = [Request(Prompt((long,), text="12+3=", salt=salt), Sampling(max_tokens=2), 1) for salt in salts]
    used = [(await engine.complete(each)).usage for each in asked]
    whole = (used[0].prompt_tokens - 1) // 32 * 32
    assert [each.cached_tokens for each in used] == [0, whole, 0] and whole > 0
