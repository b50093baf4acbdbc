"""Chunks are counted in few parts, and never for less than they may cost."""

import time

import pytest

from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Usage
from ponder.strategies import CertaintyProbe, ConfidenceStopping
from ponder.strategies.chunk_plan import parts

ENGINE = SimulatedSpec(context_length=10**7, prompt_price=1.0).open()


@pytest.mark.parametrize("chunk", [1, 3, 7, 999, 1000, 5000])
@pytest.mark.parametrize("max_tokens", [1, 256, 257, 258, 1000])
def test_no_chunk_is_counted_for_less_than_it_is(max_tokens: int, chunk: int) -> None:
    counted = [(at, length) for at, length, chunks in parts(max_tokens, chunk) for _ in range(chunks)]
    real = [(at, min(chunk, max_tokens - at)) for at in range(0, max_tokens, chunk)]
    assert len(counted) == len(real)
    for (at, length), (most_at, most_length) in zip(real, counted, strict=True):
        assert at <= most_at < at + 5 * chunk
        assert length <= most_length <= chunk
    if len(real) <= 257:
        assert counted == real


def most(strategy) -> Usage:
    plan = Plan({"generator": ENGINE}, {"generator": 20})
    strategy.infer(Shape(), plan)
    return plan.estimate.most


@pytest.mark.parametrize(
    "make", [lambda **k: CertaintyProbe(probe_tokens=1, **k), lambda **k: ConfidenceStopping(n=2, warmup=1, **k)]
)
def test_very_fine_chunks_are_estimated_at_once(make) -> None:
    began = time.process_time()
    fine = most(make(max_tokens=1_000_000, chunk=1))
    assert time.process_time() - began < 1
    assert fine.calls >= 1_000_000
    assert fine.prompt_tokens > 1_000_000 * 1_000_000 // 2
    coarse = most(make(max_tokens=1000, chunk=10))
    assert coarse.calls == (1 + 99 + 100 if make(chunk=1).kind == "certainty_probe" else 1 + 100)
