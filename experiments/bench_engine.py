"""Shows what the vLLM actor costs: tokens a second through Ray and ponder against the bare engine, 64 in flight.

Both run the same model with the same settings on the same processor core, in turn, in one run; the figure is the
median of the ratios of neighbouring repeats. Goal: at least 0.95. Takes about three minutes on two cores. The last
line is the summary; the exit status is 1 where the goal is missed. Results go to ``results/bench_engine.json``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

GOAL = 0.95
REPEATS = 7
IN_FLIGHT = 64
DRAWS = 768
MAX_TOKENS = 96
CORE = max(os.sched_getaffinity(0))
RESULTS = Path(__file__).parent / "results" / "bench_engine.json"
SETTINGS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": str(CORE),
    "OMP_NUM_THREADS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}

Draw = Callable[[int], Awaitable[int]]


async def tokens_a_second(draw: Draw) -> float:
    """Generated tokens a second over `DRAWS` draws, `IN_FLIGHT` at a time."""
    numbers = iter(range(DRAWS))

    async def worker() -> int:
        return sum([await draw(number) for number in numbers])

    started = time.perf_counter()
    tokens = sum(await asyncio.gather(*(worker() for _ in range(IN_FLIGHT))))
    return tokens / (time.perf_counter() - started)


def prompts() -> list[str]:
    """Problems of three steps, all held out."""
    from ponder.orchestrator.data.sources import AbacusData

    return [query.messages[0].content for query in AbacusData(size=64, steps=(3,)).load()]


async def bare_engine(asked: list[str]) -> tuple[Draw, Callable[[], None]]:
    """vLLM's AsyncLLM by itself, called the cheapest way it can be."""
    from vllm import SamplingParams
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.sampling_params import RequestOutputKind
    from vllm.v1.engine.async_llm import AsyncLLM

    from ponder.orchestrator.models import path

    arguments = AsyncEngineArgs(
        model=str(path("abacus-generator")),
        dtype="float32",
        enforce_eager=True,
        block_size=32,
        max_num_seqs=256,
        kv_cache_memory_bytes=1 << 30,
        disable_log_stats=True,
    )
    llm = AsyncLLM.from_engine_args(arguments)
    tokenizer: Any = llm.get_tokenizer()
    rendered = [tokenizer.encode(text, add_special_tokens=False) for text in asked]
    names = map(str, itertools.count())

    async def draw(number: int) -> int:
        sampling = SamplingParams(
            temperature=1.0, max_tokens=MAX_TOKENS, seed=number, output_kind=RequestOutputKind.FINAL_ONLY
        )
        tokens = 0
        prompt = {"prompt_token_ids": rendered[number % len(rendered)]}
        async for output in llm.generate(prompt, sampling, next(names)):
            tokens = len(output.outputs[0].token_ids)
        return tokens

    return draw, llm.shutdown


async def measure() -> list[tuple[float, float]]:
    """The two rates, repeat by repeat; which goes first alternates."""
    from ponder.orchestrator.cluster import Cluster
    from ponder.orchestrator.engine import Prompt, Request, Sampling
    from ponder.orchestrator.engines.vllm import VLLMSpec
    from ponder.orchestrator.types import Message

    asked = prompts()
    sampling = Sampling(temperature=1.0, max_tokens=MAX_TOKENS)
    async with Cluster({"generator": VLLMSpec(model="abacus-generator", core=CORE)}) as cluster:
        engine = cluster.engines["generator"]

        async def through_ray(number: int) -> int:
            prompt = Prompt((Message(role="user", content=asked[number % len(asked)]),))
            return len((await engine.complete(Request(prompt, sampling, number))).tokens)

        bare, shutdown = await bare_engine(asked)
        try:
            await tokens_a_second(bare)
            await tokens_a_second(through_ray)
            pairs = []
            for repeat in range(REPEATS):
                rates = {}
                for name, draw in (("bare", bare), ("actor", through_ray))[:: 1 if repeat % 2 else -1]:
                    rates[name] = await tokens_a_second(draw)
                pairs.append((rates["bare"], rates["actor"]))
                print(f"bare {rates['bare']:7.0f} tokens/s   actor {rates['actor']:7.0f} tokens/s", flush=True)
            return pairs
        finally:
            shutdown()


def main() -> int:
    """Measure, write the results and say whether the goal is met."""
    os.environ.update(SETTINGS)
    pairs = asyncio.run(measure())
    ratio = statistics.median(actor / bare for bare, actor in pairs)
    met = ratio >= GOAL
    rows = [{"bare": round(bare), "actor": round(actor)} for bare, actor in pairs]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"ratio": round(ratio, 3), "goal": GOAL, "tokens_per_second": rows}, indent=2) + "\n")
    print(f"{'PASS' if met else 'MISS'}: the actor delivers {ratio:.3f} of the bare engine's tokens/s (goal {GOAL})")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
